const REASONS: Record<string, string | undefined> = {
  CERT_HAS_EXPIRED: "the certificate of the server has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "no trusted authority has signed the certificate of the server",
  EAI_AGAIN: "the name cannot be resolved at the moment",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "the host cannot be reached",
  EISDIR: "is a directory",
  ENETUNREACH: "the network cannot be reached",
  ENOENT: "there is no such file",
  ENOSPC: "no space left on the device",
  ENOTFOUND: "host not found",
  EPIPE: "the connection was closed",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate of the server is for another name",
  ETIMEDOUT: "no answer",
  SELF_SIGNED_CERT_IN_CHAIN: "no trusted authority has signed the certificate of the server",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "no trusted authority has signed the certificate of the server",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "no trusted authority has signed the certificate of the server"
}

export const reasonOf = (error: NodeJS.ErrnoException): string => {
  const { code } = error
  if (code === undefined) return error.message
  const words = REASONS[code]
  return words === undefined ? code : `${words} (${code})`
}
