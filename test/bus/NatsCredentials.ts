/** A server of NATS that knows its users by what their operator has signed, as `nsc` sets it up, and the credentials of one user. */
import { nkeys } from "@nats-io/transport-node"
import { createHash } from "node:crypto"

type KeyPair = ReturnType<typeof nkeys.createUser>

const base64Url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A token as NATS wants it: who it is about, signed by who answers for it. */
const sign = (by: KeyPair, issuer: string, subject: string, name: string, nats: object): string => {
  const claims = { iat: Math.floor(Date.now() / 1000), iss: issuer, name, sub: subject, nats }
  const jti = createHash("sha256").update(JSON.stringify(claims)).digest("base64url")
  const signed = `${base64Url({ typ: "JWT", alg: "ed25519-nkey" })}.${base64Url({ ...claims, jti })}`
  return `${signed}.${Buffer.from(by.sign(Buffer.from(signed))).toString("base64url")}`
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 }

/**
 * @returns the server's configuration, and the content of a `.creds` file
 */
export const make = (): { readonly config: string; readonly credentials: string } => {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
  const [operatorId, accountId, userId] = [operator, account, user].map((pair) => pair.getPublicKey()) as [
    string,
    string,
    string
  ]
  const operatorToken = sign(operator, operatorId, operatorId, "operator", { type: "operator", version: 2 })
  const accountToken = sign(operator, operatorId, accountId, "room", {
    type: "account",
    version: 2,
    limits: { ...UNLIMITED, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true }
  })
  const userToken = sign(account, accountId, userId, "relay", {
    type: "user",
    version: 2,
    pub: {},
    sub: {},
    ...UNLIMITED
  })
  const seed = Buffer.from(user.getSeed()).toString()
  return {
    config: `operator: ${operatorToken}\nresolver: MEMORY\nresolver_preload: { ${accountId}: ${accountToken} }\n`,
    credentials: [
      "-----BEGIN NATS USER JWT-----",
      userToken,
      "------END NATS USER JWT------",
      "",
      "-----BEGIN USER NKEY SEED-----",
      seed,
      "------END USER NKEY SEED------",
      ""
    ].join("\n")
  }
}

let usual: ReturnType<typeof make> | undefined

/** The same each time: keys take longer to make than most tests do. */
export const one = () => (usual ??= make())
