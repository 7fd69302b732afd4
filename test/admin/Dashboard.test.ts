import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Pages from "../../scripts/pages.ts"
import { loadBuiltPage } from "../../src/internal/built.ts"
import * as Admin from "../support/Admin.ts"

const hashOf = (content: string) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`

/** What the elements of a page have in them. */
const contentsOf = (html: string, element: "script" | "style") =>
  Array.from(html.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, "gs")), ([, content]) => content!)

const PAGE = `<head><link rel="stylesheet" href="style.css" /></head>
<body><script src="one.js"></script>
<script src="two.js"></script></body>`
const STYLE = "p {\n  color: red\n}\n"
const ONE = 'const texts = ["$&", "$1", "$<script>", "$`", "$$"]'
const TWO = "texts.push()\n"

const inline = (files: Readonly<Record<string, string | undefined>>) =>
  Pages.inline(
    new Map(
      Object.entries({ "page.html": PAGE, "style.css": STYLE, "one.js": ONE, "two.js": TWO, ...files }).flatMap(
        ([name, content]) => (content === undefined ? [] : [[name, content] as const])
      )
    )
  )

describe("the page of the dashboard", () => {
  it.live("allows its own style and scripts, and nothing else", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const response = yield* Admin.open(server.url)
      assert.strictEqual(response.status, 200)
      assert.match(response.headers.get("content-type")!, /^text\/html/)
      assert.strictEqual(response.headers.get("cache-control"), "no-store")
      assert.strictEqual(response.headers.get("referrer-policy"), "no-referrer")
      assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
      const html = yield* Effect.promise(() => response.text())
      const policy = response.headers.get("content-security-policy")!.split("; ")
      assert.include(policy, "default-src 'none'")
      for (const element of ["script", "style"] as const) {
        const contents = contentsOf(html, element)
        assert.isAbove(contents.length, 0)
        assert.include(policy, `${element}-src ${contents.map(hashOf).join(" ")}`)
      }
      for (const directive of [
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'"
      ]) {
        assert.include(policy, directive)
      }
      assert.notMatch(policy.join(), /unsafe|\*|http/)
    })
  )

  it.effect("is one file that needs nothing from elsewhere, and makes no markup of texts", () =>
    Effect.gen(function* () {
      const { html } = yield* loadBuiltPage("dashboard")
      // A name space, and where the source of the plots is.
      const links = html.match(/https?:\/\/(?!www\.w3\.org\/2000\/svg|github\.com\/leeoniya\/uPlot \(v)[^"' ]*/g)
      assert.deepStrictEqual(links, null)
      assert.notMatch(
        html,
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|<[^>]* on[a-z]+=/
      )
      assert.notMatch(html, /<script [^>]*src|<link [^>]*stylesheet|@import|\burl\(/)
    })
  )

  it("is made of a page and what it has tags for, in their order", () => {
    const { contentSecurityPolicy, html } = inline({})
    assert.strictEqual(
      html,
      `<head><style>${STYLE}</style></head>\n<body><script>${ONE}</script>\n<script>${TWO}</script></body>`
    )
    assert.include(contentSecurityPolicy, `; script-src ${hashOf(ONE)} ${hashOf(TWO)}; style-src ${hashOf(STYLE)}; `)
  })

  it.each([
    ["there is no page", { "page.html": undefined }, "the page has no file page.html"],
    ["there is no such style", { "style.css": undefined }, "the page has no file style.css"],
    ["there is no such script", { "two.js": undefined }, "the page has no file two.js"],
    ["a file has no tag", { "three.js": "", "more.css": "" }, "page.html has no tag for three.js, more.css"],
    ["a script ends early", { "one.js": 'say("</SCRIPT>")' }, "one.js cannot be within a page: it has </SCRIPT"],
    ["a script does not end", { "one.js": 'say("<!--<script>")' }, "one.js cannot be within a page: it has <!--"],
    ["a style ends early", { "style.css": "/* </style> */" }, "style.css cannot be within a page: it has </style"],
    [
      "a script is of another form",
      { "page.html": PAGE.replace("<script", "<script defer") },
      'page.html has <script defer src="one.js">: expected <link rel="stylesheet" href="…" /> or <script src="…"></script>'
    ],
    [
      "a style sheet is of another form",
      { "page.html": PAGE.replace('rel="stylesheet" href="style.css"', 'href="style.css" rel="stylesheet"') },
      'page.html has <link href="style.css" rel="stylesheet" />: expected <link rel="stylesheet" href="…" /> or <script src="…"></script>'
    ],
    [
      "a script is in the page already",
      { "page.html": `${PAGE}<script>go()</script>` },
      'page.html has <script>: expected <link rel="stylesheet" href="…" /> or <script src="…"></script>'
    ]
  ])("is refused, with the reason, if %s", (_, files, message) => {
    assert.throws(() => inline(files), Error, message)
  })
})
