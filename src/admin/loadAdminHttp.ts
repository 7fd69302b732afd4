import * as Effect from "effect/Effect"
import { ListenError } from "../session/Listener.ts"

/**
 * Loads the admin API: half a megabyte of code, not loaded where there is none.
 *
 * @returns fails with `ListenError` if the package that it needs is not installed
 */
export const loadAdminHttp = ({ host, port }: { readonly host: string; readonly port: number | null }) =>
  Effect.tryPromise(() => import("./AdminHttp.ts")).pipe(
    Effect.catch(({ cause }) => {
      const { code } = cause as NodeJS.ErrnoException
      return code === "ERR_MODULE_NOT_FOUND"
        ? Effect.fail(new ListenError({ host, port: port ?? 0, code, key: "admin.port" }))
        : Effect.die(cause)
    })
  )
