import * as Arbitrary from "effect/Arbitrary"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { isLoopback, overlap } from "../../src/net/IpNetwork.ts"
import { Values } from "../../src/config/ServerConfig.ts"

/** There is no arbitrary secret, but one of an arbitrary text. */
const withoutRedacted = (ast: SchemaAST.AST): Schema.Top =>
  SchemaAST.isUnion(ast)
    ? Schema.Union(ast.types.map(withoutRedacted))
    : SchemaAST.isDeclaration(ast) && ast.typeParameters.length === 1
      ? Schema.make(ast.typeParameters[0]!)
      : Schema.make(ast)

/** The schema without the checks of groups, which compare keys with each other. */
const eachKeyAlone = (ast: SchemaAST.AST): Schema.Top =>
  SchemaAST.isObjects(ast)
    ? Schema.Struct(
        Object.fromEntries(
          ast.propertySignatures.map(({ name, type }) => [
            name,
            SchemaAST.isOptional(type) ? Schema.optionalKey(Schema.make(type)) : eachKeyAlone(type)
          ])
        )
      )
    : withoutRedacted(ast)

const pair = <Pair extends { readonly cert: string | null; readonly key: string | null }>(tls: Pair): Pair =>
  tls.cert === null || tls.key === null ? { ...tls, cert: null, key: null } : tls

const tlsOf = (tls: Values["tls"]): Values["tls"] => {
  const { ca, cert, request_client_cert } = pair(tls)
  return { ...pair(tls), request_client_cert: cert === null || ca === null ? false : request_client_cert }
}

/** Changes keys that do not go together as little as makes them. */
const reconciled = (config: Values): Values => {
  const { admin, cluster, host, hyper_parameters, port, tls, websocket } = config
  const { slow_consumer } = hyper_parameters
  const isOf = (one: number | null, other: number | null, host: string, otherHost: string) =>
    one !== null && one !== 0 && one === other && overlap(host, otherHost)
  const websocketHost = websocket.host ?? host
  const websocketPort = isOf(websocket.port, port, websocketHost, host) ? null : websocket.port
  const isTaken = isOf(admin.port, port, admin.host, host) || isOf(admin.port, websocketPort, admin.host, websocketHost)
  return {
    ...config,
    hyper_parameters: {
      ...hyper_parameters,
      slow_consumer: {
        ...slow_consumer,
        hard_limit_bytes: Math.max(slow_consumer.hard_limit_bytes, slow_consumer.soft_limit_bytes)
      }
    },
    tls: tlsOf(tls),
    websocket: { ...websocket, port: websocketPort },
    admin: {
      ...admin,
      port: isTaken ? null : admin.port,
      token: admin.port === null || isLoopback(admin.host) ? admin.token : (admin.token ?? Redacted.make("token"))
    },
    cluster: { nats: { ...cluster.nats, tls: pair(cluster.nats.tls) } }
  }
}

/** What was made as a text is a secret. */
const withSecret = (config: Values): Values => {
  const { token } = config.admin as { readonly token: unknown }
  return { ...config, admin: { ...config.admin, token: typeof token === "string" ? Redacted.make(token) : null } }
}

/**
 * Any configuration. Of twenty that the schema alone makes nineteen are none, because keys in them do not go together.
 */
export const configuration: Arbitrary.Arbitrary<Values> = Arbitrary.schema(
  eachKeyAlone(SchemaAST.toType(Values.ast)) as unknown as Schema.Codec<Values>
).pipe(Arbitrary.map(withSecret), Arbitrary.map(reconciled), Arbitrary.filter(Schema.is(Values)))
