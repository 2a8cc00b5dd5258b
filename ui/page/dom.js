// Elements, made of texts only: nothing that comes from a cluster is ever read as HTML.

/** @typedef {Node | string | undefined | false} Child */

/**
 * Makes an element.
 * @param {string} tag "p", or "p.quiet" with its class
 * @param {Record<string, string | boolean | ((event: Event) => void)>} properties attributes; functions listen to the event of that name
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const [name = "div", ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (typeof value === "string") element.setAttribute(key, value);
    else if (value) element.setAttribute(key, "");
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/**
 * The element of the page with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element;
}

/** What each kept element was made of, as JSON. @type {WeakMap<Element, string>} */
const contents = new WeakMap();

/**
 * Shows items, one element each. Elements whose items haven't changed stay, so that focus, selection and open details do.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} render
 */
export function show(parent, items, keyOf, render) {
  const before = new Map([...parent.children].map((child) => [child.getAttribute("data-key"), child]));
  /** @type {Element | null} */
  let last = null;
  for (const item of items) {
    const key = keyOf(item), content = JSON.stringify(item);
    let element = before.get(key);
    before.delete(key);
    if (!element || contents.get(element) !== content) {
      const fresh = render(item);
      fresh.setAttribute("data-key", key);
      contents.set(fresh, content);
      if (element) replace(element, fresh);
      element = fresh;
    }
    /** @type {Element | null} */
    const place = last ? last.nextElementSibling : parent.firstElementChild;
    if (element !== place) parent.insertBefore(element, place);
    last = element;
  }
  for (const gone of before.values()) gone.remove();
}

/**
 * Keeps the focus on the same control, and details open.
 * @param {Element} before
 * @param {Element} after
 */
function replace(before, after) {
  const controls = (/** @type {Element} */ of) => [...of.querySelectorAll("button, summary, a, input")];
  const focused = controls(before).findIndex((one) => one === document.activeElement);
  const isOpen = before.querySelector("details")?.open ?? false;
  before.replaceWith(after);
  const details = after.querySelector("details");
  if (details) details.open = isOpen;
  const control = controls(after)[focused];
  if (control instanceof HTMLElement) control.focus();
}

/**
 * Text for screen readers, once.
 * @param {string} text
 */
export function say(text) {
  byId("said").textContent = text;
}

/**
 * A button that copies a text.
 * @param {string} text
 * @param {string} label what it copies, for screen readers
 */
export function copyButton(text, label) {
  const button = make("button.small", { type: "button", "aria-label": `Copy ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    say(`Copied: ${text}`);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}

/**
 * A command line that can be copied. It is broken between words alone.
 * @param {string} line
 */
export function commandLine(line) {
  const words = line.split(" ").flatMap((word) => [make("span", {}, word), " "]);
  return make(
    "div.command",
    {},
    make("code", {}, ...words.slice(0, -1)),
    copyButton(line, "the command line"),
  );
}

/**
 * A message, and what to do about it. A hint "run: pmz up" has its command as a line to copy.
 * @param {import("../views.ts").NoticeView} notice
 * @param {string} kind "warning" or "plain"
 */
export function noticeBox({ message, hint }, kind = "warning") {
  const [, before = "", line] = /^(.*?)(?:: |^)(pmz [^;]+)$/.exec(hint ?? "") ?? [];
  return make(
    `div.notice.${kind}`,
    {},
    make("p", {}, message),
    hint !== undefined && line === undefined && make("p.hint", {}, hint),
    line !== undefined && make("p.hint", {}, before === "" || before === "run" ? "Run:" : `${before}:`),
    line !== undefined && commandLine(line),
  );
}
