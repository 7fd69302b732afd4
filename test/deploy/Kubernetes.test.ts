import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseAllDocuments } from "yaml"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import { metrics } from "../support/Metrics.ts"
import { manifest, ROOT } from "../support/Package.ts"
import { PATIENCE } from "../support/patience.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { isInstalled, run } from "../support/Tools.ts"
import * as Dockerfile from "./Dockerfile.ts"

const SHUTTING_DOWN = "Warning: Server is shutting down."

/** What YAML says, whatever its shape: a path that is not there is `undefined`, and fails the assertion. */
type Yaml = any

const documents = (file: string): ReadonlyArray<Yaml> =>
  parseAllDocuments(readFileSync(join(ROOT, "deploy", file), "utf8"), { uniqueKeys: true }).map((document) => {
    assert.deepStrictEqual([document.errors, document.warnings], [[], []])
    return document.toJS()
  })

const [config, deployment, service, admin, policy] = documents("kubernetes/summoner.yaml")
const [clusterConfig, statefulSet, budget, autoscaler] = documents("kubernetes-cluster.yaml")
const [kustomization] = documents("kubernetes/kustomization.yaml")
const [monitor] = documents("servicemonitor.yaml")
const pod = deployment.spec.template.spec
const [container] = pod.containers
const image = Dockerfile.stages.at(-1)!

const environment: Record<string, string> = Object.fromEntries(
  container.env.map(({ name, value }: Yaml) => [name, value ?? "a-token-of-32-hexadecimal-digits"])
)
const portNamed = (name: string) => container.ports.find((port: Yaml) => port.name === name)?.containerPort

describe("the Kubernetes manifests", () => {
  it("are what they should be, by kind", () => {
    assert.deepStrictEqual(
      documents("kubernetes/summoner.yaml").map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
      ["v1 ConfigMap", "apps/v1 Deployment", "v1 Service", "v1 Service", "networking.k8s.io/v1 NetworkPolicy"]
    )
  })

  it("find each other", () => {
    const { labels } = deployment.spec.template.metadata
    for (const selector of [
      deployment.spec.selector.matchLabels,
      service.spec.selector,
      admin.spec.selector,
      policy.spec.podSelector.matchLabels
    ]) {
      assert.include(labels, selector)
    }
    assert.include(admin.metadata.labels, monitor.spec.selector.matchLabels)
    assert.notInclude(service.metadata.labels, monitor.spec.selector.matchLabels)
    const names = container.ports.map(({ name }: Yaml) => name)
    for (const { port, targetPort } of [...service.spec.ports, ...admin.spec.ports]) {
      assert.include(names, targetPort)
      assert.strictEqual(port, portNamed(targetPort))
    }
    assert.strictEqual(monitor.spec.endpoints[0].port, admin.spec.ports[0].name)
    assert.deepStrictEqual(
      container.volumeMounts.map(({ name }: Yaml) => name),
      pod.volumes.map(({ name }: Yaml) => name)
    )
    assert.strictEqual(pod.volumes[0].configMap.name, config.metadata.name)
    const { valueFrom } = container.env.find(({ name }: Yaml) => name === "SUMMONER_ADMIN_TOKEN")
    assert.deepStrictEqual(monitor.spec.endpoints[0].authorization.credentials, valueFrom.secretKeyRef)
  })

  it("run one server, the one of this version, and never two of them", () => {
    assert.strictEqual(container.image, `summoner-server:${manifest.version}`)
    assert.strictEqual(deployment.spec.replicas, 1)
    assert.strictEqual(deployment.spec.strategy.type, "Recreate")
  })

  it("name one image, which a kustomization takes from elsewhere", () => {
    assert.deepStrictEqual(
      kustomization.images.map(({ name, newTag }: Yaml) => `${name}:${newTag}`),
      [container.image]
    )
  })

  const canRender = isInstalled("kubectl")
  it.live.skipIf(!canRender)(
    `are rendered whole, but for the name of the image${canRender ? "" : " (skipped: no kubectl)"}`,
    () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run("kubectl", ["kustomize", join(ROOT, "deploy/kubernetes")])
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        const [{ newName, newTag }] = kustomization.images
        const rendered = parseAllDocuments(stdout.replace(`${newName}:${newTag}`, container.image))
        assert.sameDeepMembers(
          rendered.map((document) => document.toJS()),
          [...documents("kubernetes/summoner.yaml")]
        )
      })
  )

  it("probe the admin port, without a token", () => {
    assert.strictEqual(portNamed("admin"), Number(environment["SUMMONER_ADMIN_PORT"]))
    assert.deepStrictEqual(container.startupProbe.httpGet, { path: "/healthz", port: "admin" })
    assert.deepStrictEqual(container.livenessProbe.httpGet, { path: "/healthz", port: "admin" })
    assert.deepStrictEqual(container.readinessProbe.httpGet, { path: "/readyz", port: "admin" })
  })

  it.live("start with a configuration that the server accepts", () =>
    Effect.gen(function* () {
      const directory = yield* Directory.make({ "server.json": config.data["server.json"] })
      const [flag, path] = container.args
      assert.strictEqual(path, `${container.volumeMounts[0].mountPath}/server.json`)
      const check = yield* Commands.line(["check", "--json", flag, join(directory, "server.json")], {
        cwd: directory,
        env: { ...environment, SUMMONER_HOST: "0.0.0.0" }
      })
      assert.strictEqual(check.code, 0, check.stderr)
      const { notes, values, warnings } = JSON.parse(check.stdout)
      assert.deepStrictEqual([notes, warnings], [[], []])
      assert.deepStrictEqual([values.port, values.admin.port], [portNamed("relay"), portNamed("admin")])
      // What runs before SIGTERM comes out of the same budget.
      const preStopMillis = Number(/setTimeout\(.*, (\d+)\)/.exec(container.lifecycle.preStop.exec.command.at(-1))?.[1])
      assert.isAtLeast(
        pod.terminationGracePeriodSeconds * 1000,
        preStopMillis + values.hyper_parameters.shutdown_grace_ms + 5000
      )
    })
  )

  it.live("drain the server before it gets its signal", () =>
    Effect.gen(function* () {
      const [program, ...args] = container.lifecycle.preStop.exec.command
      assert.strictEqual(program, Dockerfile.command(Dockerfile.last(image, "ENTRYPOINT"))[0])
      // Until the answer, instead of for some seconds.
      const quickly = args.map((arg: string) =>
        arg
          .replace(/AbortSignal\.timeout\(\d+\)/, `AbortSignal.timeout(${Duration.toMillis(PATIENCE)})`)
          .replace(/\nsetTimeout\(\(\) => process\.exit\(\), \d+\)/, ".then(() => process.exit())")
      )
      assert.match(quickly.at(-1), /\.then\(\(\) => process\.exit\(\)\)\s*$/)
      const server = yield* Cli.listening([], { env: { ...environment, SUMMONER_ADMIN_PORT: "0" } })
      const [, port] = yield* server.printed(/admin on http:\/\/0\.0\.0\.0:(\d+)/)
      // As the kubelet asks: by the address of the pod, without a token.
      const probe = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}${path}`)
          return `${response.status} ${(await response.text()).trim()}`
        })
      const { livenessProbe, readinessProbe } = container
      assert.strictEqual(yield* probe(readinessProbe.httpGet.path), "200 ready")
      const [one, two] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
      yield* TcpClient.settled(one, two)
      const env = { ...environment, SUMMONER_ADMIN_PORT: port }
      assert.deepStrictEqual(yield* run(process.execPath, quickly, { env }), { code: 0, stdout: "", stderr: "" })
      assert.strictEqual(yield* probe(readinessProbe.httpGet.path), "503 draining")
      assert.strictEqual(yield* probe(livenessProbe.httpGet.path), "200 ok")
      // A newcomer is told; who is in the room stays, until the signal.
      const late = yield* TcpClient.connect(server.port)
      assert.deepStrictEqual(yield* late.rest, [SHUTTING_DOWN])
      one.send("still here\n")
      assert.strictEqual(yield* two.line, TcpClient.envelope(one, "still here"))
      // A server that does not answer must not fail the end of the pod.
      const gone = { ...env, SUMMONER_ADMIN_PORT: "1" }
      assert.deepStrictEqual(yield* run(process.execPath, quickly, { env: gone }), { code: 0, stdout: "", stderr: "" })
      server.process.kill("SIGTERM")
      for (const client of [one, two]) assert.deepStrictEqual(yield* client.rest, [SHUTTING_DOWN])
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
    })
  )

  it("let everybody be a client, and only some reach the admin port", () => {
    assert.deepStrictEqual(policy.spec.policyTypes, ["Ingress"])
    const rules = policy.spec.ingress.map(({ from, ports }: Yaml) => ({
      isOpen: from === undefined,
      ports: ports.map(({ port }: Yaml) => port)
    }))
    assert.deepStrictEqual(rules, [
      { isOpen: true, ports: ["relay"] },
      { isOpen: false, ports: ["admin"] }
    ])
    assert.deepStrictEqual(
      container.ports.map(({ name }: Yaml) => name),
      ["relay", "admin"]
    )
  })

  it("give the server no directory to write to", () => {
    assert.deepStrictEqual(
      container.volumeMounts.filter(({ readOnly }: Yaml) => readOnly !== true),
      []
    )
    assert.isTrue(container.securityContext.readOnlyRootFilesystem)
  })

  it("give the server no rights, and the user of the image", () => {
    assert.deepStrictEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] }
    })
    const { runAsGroup, runAsNonRoot, runAsUser } = pod.securityContext
    assert.isTrue(runAsNonRoot)
    assert.strictEqual(`${runAsUser}:${runAsGroup}`, Dockerfile.last(image, "USER"))
    assert.isFalse(pod.automountServiceAccountToken)
    // Its variables would be unknown keys of the configuration.
    assert.isFalse(pod.enableServiceLinks)
  })
})

describe("the Kubernetes manifests of a room with several relays", () => {
  const relay = statefulSet.spec.template.spec
  const [relayContainer] = relay.containers
  const preStop: string = relayContainer.lifecycle.preStop.exec.command.at(-1)

  it("are what they should be, by kind, and find each other and the Services", () => {
    assert.deepStrictEqual(
      documents("kubernetes-cluster.yaml").map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
      ["v1 ConfigMap", "apps/v1 StatefulSet", "policy/v1 PodDisruptionBudget", "autoscaling/v2 HorizontalPodAutoscaler"]
    )
    const { labels } = statefulSet.spec.template.metadata
    for (const selector of [
      statefulSet.spec.selector.matchLabels,
      budget.spec.selector.matchLabels,
      service.spec.selector,
      policy.spec.podSelector.matchLabels
    ]) {
      assert.include(labels, selector)
    }
    const { kind, name } = autoscaler.spec.scaleTargetRef
    assert.deepStrictEqual([kind, name], [statefulSet.kind, statefulSet.metadata.name])
    assert.strictEqual(statefulSet.spec.serviceName, admin.metadata.name)
    // The autoscaler says how many.
    assert.isUndefined(statefulSet.spec.replicas)
    assert.isAtLeast(autoscaler.spec.minReplicas, 2)
    assert.strictEqual(autoscaler.spec.metrics[0].pods.metric.name, "summoner_clients")
    assert.strictEqual(budget.spec.maxUnavailable, 1)
  })

  it("differ from those of one relay in nothing but the cluster", () => {
    const { env, lifecycle: _lifecycle, ...rest } = relayContainer
    const { env: oneEnv, lifecycle: oneLifecycle, ...one } = container
    assert.deepStrictEqual(rest, one)
    assert.deepStrictEqual(
      env.filter(({ name }: Yaml) => name !== "SUMMONER_CLUSTER_NATS_NAME"),
      oneEnv
    )
    const withoutTime = (script: string) => script.replace(/, \d+\)\s*$/, "")
    assert.strictEqual(withoutTime(preStop), withoutTime(oneLifecycle.preStop.exec.command.at(-1)))
    assert.deepStrictEqual(relay.securityContext, pod.securityContext)
  })

  it.live("start with a configuration that the server accepts, and end within their time", () =>
    Effect.gen(function* () {
      const directory = yield* Directory.make({ "server.json": clusterConfig.data["server.json"] })
      const check = yield* Commands.line(["check", "--json", "--config", join(directory, "server.json")], {
        cwd: directory,
        env: { ...environment, SUMMONER_HOST: "0.0.0.0", SUMMONER_CLUSTER_NATS_NAME: "summoner-0" }
      })
      assert.strictEqual(check.code, 0, check.stderr)
      const { notes, values, warnings } = JSON.parse(check.stdout)
      assert.deepStrictEqual([notes, warnings], [[], []])
      const { max_clients, shutdown_grace_ms } = values.hyper_parameters
      const preStopMillis = Number(/setTimeout\(.*, (\d+)\)/.exec(preStop)?.[1])
      assert.isAtLeast(relay.terminationGracePeriodSeconds * 1000, preStopMillis + shutdown_grace_ms + 5000)
      const [{ pods }] = autoscaler.spec.metrics
      assert.isTrue(metrics.some(({ name }) => name === pods.metric.name))
      assert.isBelow(Number(pods.target.averageValue), max_clients / 2)
    })
  )
})
