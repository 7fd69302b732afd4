import { BlockList, isIPv6 } from "node:net"
import type { Values } from "../config/CurrentConfig.ts"
import { canonicalIp, unmapped } from "../net/IpAddress.ts"
import * as Incidents from "../session/Incidents.ts"

/** An address that `deny` has, or `allow` has not. */
export const NOT_ALLOWED = Incidents.define("connection", "not_allowed", "not allowed")

type Lists = Pick<Values["hyper_parameters"], "allow" | "deny" | "trusted_proxies">

/** Who may connect, and who may speak for others: `allow`, `deny` and `trusted_proxies`, as they are at the moment. */
export interface AddressFilter {
  /** Whether `deny` has the address: then nothing else counts. */
  readonly isDenied: (ip: string) => boolean
  /** Whether a client of this address may come in: `allow` has it, or is `null`, and `deny` does not. */
  readonly isAllowed: (ip: string) => boolean
  /** Whether connections from this address begin with a PROXY protocol header. */
  readonly isTrustedProxy: (ip: string) => boolean
}

/**
 * Makes a filter. An IPv4 address may have either of its forms; no range of IPv6 has it otherwise, not even `::/0`.
 *
 * @param lists asked for each address; a list is never changed, only replaced
 */
export const make = (lists: () => Lists): AddressFilter => {
  const allowed = new Ranges()
  const denied = new Ranges()
  const trusted = new Ranges()
  const isDenied = (ip: string) => denied.has(lists().deny, ip)
  return {
    isDenied,
    isAllowed: (ip) => {
      const { allow } = lists()
      return (allow === null || allowed.has(allow, ip)) && !isDenied(ip)
    },
    isTrustedProxy: (ip) => trusted.has(lists().trusted_proxies, ip)
  }
}

/** One list, made fast to look addresses up in when it is first asked for. */
class Ranges {
  #list: ReadonlyArray<string> = []
  #ipv4 = new BlockList()
  #ipv6 = new BlockList()

  has(list: ReadonlyArray<string>, ip: string): boolean {
    if (list.length === 0) return false
    if (list !== this.#list) this.#compile(list)
    const address = withoutZone(unmapped(ip))
    return isIPv6(address) ? this.#ipv6.check(address, "ipv6") : this.#ipv4.check(address, "ipv4")
  }

  #compile(list: ReadonlyArray<string>): void {
    this.#list = list
    this.#ipv4 = new BlockList()
    this.#ipv6 = new BlockList()
    for (const item of list) {
      const [written, length] = item.split("/")
      const address = canonicalIp(withoutZone(written!))!
      const isMapped = isIPv6(written!) && !isIPv6(address)
      const prefix = length === undefined ? undefined : Number(length) - (isMapped ? 96 : 0)
      const [family, longest, ranges] = isIPv6(address)
        ? (["ipv6", 128, this.#ipv6] as const)
        : (["ipv4", 32, this.#ipv4] as const)
      // A range of mapped addresses that is longer than all of IPv4.
      if (prefix !== undefined && prefix < 0) this.#ipv6.addSubnet(withoutZone(written!), Number(length), "ipv6")
      else ranges.addSubnet(address, prefix ?? longest, family)
    }
  }
}

const withoutZone = (ip: string): string => {
  const at = ip.indexOf("%")
  return at === -1 ? ip : ip.slice(0, at)
}
