/** The first element that matches. Throws if there is none: page.html must have it. */
export const $ = <E extends HTMLElement = HTMLElement>(
  selector: string,
  kind: new () => E = HTMLElement as new () => E,
  parent: ParentNode = document
): E => {
  const found = parent.querySelector(selector)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${kind.name} ${selector}`)
}

/** Creates an element. Strings become text, never markup. */
export const element = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: ReadonlyArray<Node | string>
): HTMLElementTagNameMap[Name] => {
  const node = document.createElement(name)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

/** Sets a text if it differs: screen readers announce every change, and a change loses the selection. */
export const setText = (node: Node, text: string): void => {
  if (node.textContent !== text) node.textContent = text
}
