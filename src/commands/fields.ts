/** Kinds of arguments that shells complete, and that Effect's own would change or refuse. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Param from "effect/cli/Param"
import * as Primitive from "effect/cli/Primitive"
import * as Effect from "effect/Effect"
import { type Level, levels } from "../config/ServerConfig.ts"

export const booleanFlag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** As it was given: Effect makes an absolute path of it. */
const fileName = Object.assign(Primitive.Path("file"), { parse: (text: string) => Effect.succeed(text) })

export const fileFlag = (name: string) =>
  Param.makeSingle({ kind: Param.flagKind, name, primitiveType: fileName, typeName: "file" })

export const fileArgument = (name: string): Argument.Argument<string> =>
  Param.makeSingle({ kind: Param.argumentKind, name, primitiveType: fileName })

const anyLevel = Primitive.Choice<Level>(levels.map((level) => [level, level] as const))
const { parse: parseLevel } = anyLevel

/** A flag whose value is a level, in any case. */
export const levelFlag = (name: string) =>
  Param.makeSingle({
    kind: Param.flagKind,
    name,
    primitiveType: Object.assign(anyLevel, { parse: (text: string) => parseLevel(text.toUpperCase()) })
  })
