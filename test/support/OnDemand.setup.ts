/** What takes longer to set up than tests take: made in the process of vitest, once for all of them, when the first one asks for it. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestProject } from "vitest/node"
import * as Bundle from "./Bundle.ts"
import * as CertificateAuthority from "./CertificateAuthority.ts"
import * as Chromium from "./Chromium.ts"
import * as InstalledPackage from "./InstalledPackage.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Where to ask: `OnDemand.ts` does. */
    readonly onDemand: string
  }
}

export interface Made<A> {
  readonly value: A
  readonly remove: () => Promise<void> | void
}

const makers = {
  bundle: Bundle.make,
  certificates: CertificateAuthority.make,
  chromium: Chromium.launchServer,
  package: InstalledPackage.make
}

export type Makers = typeof makers

export default async ({ provide }: TestProject) => {
  const asked = new Map<string, Promise<Made<unknown>>>()
  const server = createServer(({ url }, response) => {
    const { pathname, searchParams } = new URL(url!, "http://localhost")
    const making = asked.get(url!) ?? makers[pathname.slice(1) as keyof Makers](searchParams.get("of") ?? "")
    asked.set(url!, making)
    making.then(
      ({ value }) => response.end(JSON.stringify(value)),
      (cause: unknown) => response.writeHead(500).end(String(cause))
    )
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  provide("onDemand", `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.close()
    for (const made of await Promise.allSettled(asked.values())) {
      if (made.status === "fulfilled") await made.value.remove()
    }
  }
}
