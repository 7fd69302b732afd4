// Elements: found, made, and given texts.
"use strict"

/**
 * The first element that matches. That there is one is for page.html to see to.
 *
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} selector
 * @param {new () => E} [kind] what it must be
 * @param {ParentNode} [parent]
 */
const $ = (selector, kind = /** @type {new () => E} */ (HTMLElement), parent = document) => {
  const found = parent.querySelector(selector)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${kind.name} ${selector}`)
}

/** @typedef {Readonly<Record<string, string | number>>} Attributes */

/**
 * Makes an element. Texts are texts, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Array<Node | string>} children
 */
const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children)

/**
 * @template {Element} E
 * @param {E} node
 * @param {Attributes} attributes
 * @param {ReadonlyArray<Node | string>} children
 */
const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value))
  node.append(...children)
  return node
}

/**
 * Leaves alone what is as it should be: a change of nothing would be read aloud, and lose a selection.
 *
 * @param {Node} node
 * @param {string} text
 */
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}
