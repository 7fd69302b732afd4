// The API reference, made of the declarations that the package ships: what it says is what an editor shows.
import { readFileSync } from "node:fs"
import { Converter, ReflectionKind, RendererEvent } from "typedoc"

const { exports, name } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"))
/** Declarations and subpath of each module; `.` is left out, because its namespaces are the other modules. */
const modules = Object.entries(exports).flatMap(([subpath, { types }]) =>
  subpath === "." || types === undefined ? [] : [{ types, subpath }]
)

/**
 * An Effect service is a class that inherits from one made by a call, and so is a tagged error: a page would list everything
 * Effect has put there, many times over. What is left is what this package declares, and of a service, under the name
 * `Service`, what it offers; all of which has to be documented.
 *
 * @param {import("typedoc").Application} app
 */
const effectClasses = (app) => {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      const file = project.getSymbolIdFromReflection(module)?.fileName ?? ""
      const subpath = modules.find(({ types }) => file.endsWith(types.slice(1)))?.subpath
      if (subpath !== undefined) module.name = name + subpath.slice(1)
    }
  })
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(ReflectionKind.Class)) {
      let service
      for (const member of [...reflection.children]) {
        const isOurs = !project.getSymbolIdFromReflection(member)?.fileName.includes("/node_modules/")
        if (!isOurs && (member.name !== "Service" || service !== undefined)) {
          project.removeReflection(member)
          continue
        }
        if (!isOurs) service = member
        else if (!member.inheritedFrom && !member.overwrites && !isDocumented(member)) warnUndocumented(member)
        delete member.inheritedFrom
        delete member.overwrites
      }
      for (const member of service?.type?.declaration?.children ?? []) {
        if (!isDocumented(member)) warnUndocumented(member)
      }
    }
  })
  app.renderer.on(RendererEvent.BEGIN, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(ReflectionKind.Class)) delete reflection.typeHierarchy
  })
  const isDocumented = (member) =>
    [member, member.getSignature, ...(member.signatures ?? [])].some((part) => part?.hasComment())
  const warnUndocumented = (member) => app.logger.warn(`${member.getFriendlyFullName()} is not documented`)
}

export default {
  plugin: ["typedoc-plugin-markdown", effectClasses],
  entryPoints: modules.map(({ types }) => types),
  tsconfig: "tsconfig.docs.json",
  out: "docs/api",
  router: "module",
  readme: "none",
  disableSources: true,
  excludePrivate: true,
  treatWarningsAsErrors: true,
  validation: { notExported: true, notDocumented: true, invalidLink: true },
  // What the public `ServerConfig` extends; how a client connects, what a member of the room is made of, what the server tells its admin server, and the types with which the parts of a
  // server are checked: nobody outside makes one or names it.
  intentionallyNotExported: [
    "EffectOf",
    "Exact",
    "ExtrasOf",
    "LayersOf",
    "Open",
    "Outbox",
    "OutboxEvents",
    "OutboxLimits",
    "Part",
    "Run",
    "ServerStatus",
    "dist/config/CurrentConfig.d.ts:ServerConfig"
  ],
  requiredToBeDocumented: ["Class", "Interface", "Function", "Variable", "TypeAlias"],
  hideBreadcrumbs: true,
  hidePageHeader: true
}
