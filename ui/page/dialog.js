// The dialog of a command: a form, its command line as it changes, and what the command says.
import { byId, commandLine, make, say } from "./dom.js";
import { written } from "./command_line.js";
import { run } from "./run.js";

/** Exit code of a command that wanted to ask something. */
const DECLINED = 12;

/**
 * @typedef {object} CommandForm
 * @property {string} title
 * @property {string} verb of the button: "Intercept"
 * @property {boolean} [danger] whether the button warns by its colour
 * @property {readonly Node[]} fields
 * @property {() => readonly string[]} words the command line of what the fields say now
 */

/** @param {CommandForm} form */
export function openDialog({ title, verb, danger = false, fields, words }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  const line = make("div"),
    output = make("div.output", { role: "log", "aria-label": "What the command says" });
  const go = /** @type {HTMLButtonElement} */ (make(
    `button.primary${danger ? ".danger" : ""}`,
    { type: "submit" },
    verb,
  ));
  const cancel = make("button", { type: "button", click: () => dialog.close() }, "Cancel");
  /** @type {AbortController | undefined} */
  let running;
  const update = () => line.replaceChildren(commandLine(written(words())));
  /** @param {readonly string[]} meant */
  const start = async (meant) => {
    if (running) return;
    running = new AbortController();
    go.disabled = true;
    const last = make("p.running", {}, "Running…");
    output.replaceChildren(last);
    const tell = (/** @type {string} */ text, /** @type {boolean} */ isError) =>
      last.before(saidLine(text, isError));
    const exit = await run(meant, tell, running.signal).catch((error) => {
      tell(`error: ${error.message}`, true);
      return 1;
    });
    last.remove();
    running = undefined;
    go.disabled = false;
    if (exit === 0) {
      say("Done");
      go.remove();
      cancel.textContent = "Close";
      cancel.focus();
      form.querySelector("fieldset")?.setAttribute("disabled", "");
    } else if (exit === DECLINED && agreesByYes(output) && !meant.includes("--yes")) {
      const agreed = [...meant, "--yes"];
      output.append(
        make("p", {}, "It asks for your consent. To agree, run:"),
        commandLine(written(agreed)),
        make("button.primary", { type: "button", click: () => start(agreed) }, "Agree and run"),
      );
    }
  };
  const form = make(
    "form",
    {
      input: update,
      submit: (event) => {
        event.preventDefault();
        start(words());
      },
    },
    make("h2", { id: "dialog-title" }, title),
    make("fieldset", {}, ...fields),
    make("p.label", {}, "The command that this runs"),
    line,
    output,
    make("div.actions", {}, cancel, go),
  );
  dialog.replaceChildren(form);
  dialog.addEventListener("close", () => running?.abort(), { once: true });
  update();
  dialog.showModal();
  const first = form.querySelector("fieldset input:not([type=radio]), fieldset select");
  if (first instanceof HTMLElement) first.focus();
  else go.focus();
  return { update };
}

/** @param {Element} output */
function agreesByYes(output) {
  return /to agree beforehand: --yes/.test(output.textContent ?? "");
}

/**
 * A line of the command, warnings, errors and hints as such.
 * @param {string} text
 * @param {boolean} isError
 */
function saidLine(text, isError) {
  const [, kind] = /^ *(error|warning|hint):/.exec(text) ?? [];
  return make(`pre${kind ? `.${kind}` : isError ? ".step" : ""}`, {}, text);
}

/**
 * A labelled field.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [help]
 */
export function field(label, control, help) {
  return make(
    "label.field",
    {},
    make("span.label", {}, label),
    control,
    help !== undefined && make("span.help", {}, help),
  );
}

/**
 * @param {Record<string, string | boolean>} attributes
 * @returns {HTMLInputElement}
 */
export function input(attributes) {
  const plain = { autocomplete: "off", spellcheck: "false", autocapitalize: "off" };
  return /** @type {HTMLInputElement} */ (make("input", { ...plain, ...attributes }));
}

/**
 * @param {readonly (readonly [value: string, text: string])[]} options
 * @returns {HTMLSelectElement}
 */
export function select(options) {
  return /** @type {HTMLSelectElement} */ (make(
    "select",
    {},
    ...options.map(([value, text]) => make("option", { value }, text)),
  ));
}
