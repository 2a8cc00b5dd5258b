/** The page of `pmz ui`, in a browser of its person's. */
import type { Laptop, Person } from "./laptop.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Running } from "./running.ts";

const uids: Readonly<Record<Person, number>> = { root: 0, alice: 1000, bob: 1001 };
const driver = new URL("../clients/browser.mjs", import.meta.url);

/** A step of the browser, as clients/browser.mjs has it. */
export type Step = Readonly<Record<string, unknown>>;

/** `pmz ui`, as it runs. */
export interface ServedPage extends AsyncDisposable {
  readonly url: string;
  readonly says: Running["says"];
}

export async function servePage(
  laptop: Laptop,
  person: Person,
  env: Record<string, string> = {},
): Promise<ServedPage> {
  const running = laptop.spawn(person, ["pmz", "ui", "--no-open"], env);
  const [url] = await running.says(/http:\S+/);
  return {
    url,
    says: (pattern, timeout) => running.says(pattern, timeout),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** Waits for what is found by a selector, and clicks it. */
export function press(selector: string): Step[] {
  const found = `document.querySelector(${JSON.stringify(selector)})`;
  return [{ until: `${found} !== null` }, { run: `${found}.click()` }];
}

/** Types into a field. */
export function type(selector: string, text: string): Step[] {
  const found = `document.querySelector(${JSON.stringify(selector)})`;
  const typed = `${found}.value = ${JSON.stringify(text)}`;
  const event = `${found}.dispatchEvent(new Event("input", { bubbles: true }))`;
  return [{ until: `${found} !== null` }, { run: `${typed}; ${event}` }];
}

/** Waits until a part of the page has all of these texts. */
export function has(selector: string, ...texts: string[]): Step {
  const text = `document.querySelector(${JSON.stringify(selector)})?.innerText`;
  return { until: `${JSON.stringify(texts)}.every((one) => ${text}?.includes(one))` };
}

/** What a browser has told and pictured. */
export interface Browsed {
  readonly told: readonly unknown[];
  readonly pictures: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Does these steps in a fresh browser of alice's, in which a condition has a minute to come to hold. */
export async function browse(programs: Neighbours, steps: readonly (Step | Step[])[]): Promise<Browsed> {
  const script = await Deno.readTextFile(driver);
  const said = await programs.outputAs(uids.alice, ["node", "--input-type=module", "-e", script], {
    stdin: JSON.stringify(steps.flat()),
    timeout: 180_000,
  });
  const lines = said.split("\n").map((line) => line.split(" "));
  return {
    told: lines.filter(([kind]) => kind === "told").map(([, ...json]) => JSON.parse(json.join(" "))),
    pictures: new Map(
      lines.filter(([kind]) => kind === "picture").map(([, name = "", data = ""]) => [
        name,
        Uint8Array.fromBase64(data),
      ]),
    ),
  };
}
