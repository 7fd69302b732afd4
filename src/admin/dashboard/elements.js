// Finds and creates elements, and sets their text.
"use strict"

/**
 * The first element that matches. Throws if there is none: page.html must have it.
 *
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} selector
 * @param {new () => E} [kind] the class of the element
 * @param {ParentNode} [parent]
 */
const $ = (selector, kind = /** @type {new () => E} */ (HTMLElement), parent = document) => {
  const found = parent.querySelector(selector)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${kind.name} ${selector}`)
}

/** @typedef {Readonly<Record<string, string | number>>} Attributes */

/**
 * Creates an element. Strings become text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Array<Node | string>} children
 */
const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value))
  node.append(...children)
  return node
}

/**
 * Creates an element of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} attributes
 */
const svgElement = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value))
  return node
}

/**
 * Sets a text if it differs: screen readers announce every change, and a change loses the selection.
 *
 * @param {Node} node
 * @param {string} text
 */
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}
