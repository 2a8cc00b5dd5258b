import {
  COLLECTION_STYLE,
  type Event,
  EVENT_ID,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
} from "js-yaml";
import { isDeepStrictEqual } from "node:util";
import { parseKubeconfig } from "./parse_kubeconfig.ts";
import { KubeconfigError } from "./kubeconfig_error.ts";

/**
 * Writes values into the config of a user's auth-provider. The rest of the file keeps each of its bytes, comments too, and the file its mode
 * and its place: a link stays a link. Others see the old file or the new one, never a part. A file that can't be replaced as a whole,
 * since its folder may not be written to, is overwritten; where that fails half way, it gets its old bytes back. Lock it first.
 *
 * @throws {KubeconfigError} when the user isn't there any more, and the system's error when the file can't be written
 */
export function writeProviderConfig(
  file: string,
  user: string,
  values: Readonly<Record<string, string>>,
): void {
  const path = Deno.realPathSync(file);
  const before = Deno.readTextFileSync(path);
  const after = withProviderConfig(before, user, values);
  const { mode } = Deno.statSync(path);
  const next = `${path}.pmz-${crypto.randomUUID()}`;
  try {
    Deno.writeTextFileSync(next, after, { mode: (mode ?? 0o600) & 0o777, createNew: true });
    Deno.renameSync(next, path);
  } catch (error) {
    try {
      Deno.removeSync(next);
    } catch {
      // it was never there
    }
    if (!mayOnlyBeWritten(error)) throw error;
    overwrite(path, before, after);
  }
}

/** Overwrites a file from its beginning. It is never empty, and gets its length last, once all bytes are there. */
function overwrite(path: string, before: string, after: string): void {
  using file = Deno.openSync(path, { write: true });
  try {
    write(file, after);
  } catch (error) {
    write(file, before); // its blocks are still there, so a full disk has room for them
    throw error;
  }
}

function write(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  file.seekSync(0, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.truncateSync(bytes.length);
  file.syncDataSync();
}

/** Whether a file can't be replaced, but perhaps written: its folder may not be written to, or it is mounted itself, as in dev containers. */
function mayOnlyBeWritten(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Error && "code" in error && error.code === "EBUSY";
}

/** The text of a kubeconfig with other values in the config of a user's auth-provider. */
export function withProviderConfig(
  text: string,
  user: string,
  values: Readonly<Record<string, string>>,
): string {
  let changed = text;
  for (const [key, value] of Object.entries(values)) changed = withValue(changed, user, key, value);
  const was = providerConfig(text, user);
  if (was && isDeepStrictEqual(providerConfig(changed, user), { ...was, ...values })) return changed;
  throw new KubeconfigError(`The new tokens of user "${user}" can't be written into the kubeconfig`, {
    hint: "log in to the cluster again, with kubectl",
  });
}

function providerConfig(text: string, user: string): Record<string, string> | undefined {
  const config = parseKubeconfig(text, "/kubeconfig").users.get(user)?.authProvider?.config;
  return config && Object.fromEntries(config);
}

function withValue(text: string, user: string, key: string, value: string): string {
  const found = find(text, user, key);
  if (!found) return text;
  const quoted = JSON.stringify(value); // a double-quoted scalar of YAML too
  const { key: there, value: old, first } = found;
  if (there && old) {
    return `${text.slice(0, endOf(there))}: ${quoted}${text.slice(endOfValue(text, there, old))}`;
  }
  const at = startOf(first);
  const column = at - (text.lastIndexOf("\n", at - 1) + 1);
  const between = found.isFlow ? ", " : `\n${" ".repeat(column)}`;
  return `${text.slice(0, at)}${JSON.stringify(key)}: ${quoted}${between}${text.slice(at)}`;
}

interface Found {
  /** The key and its value, where it is there. */
  readonly key?: ScalarEvent;
  readonly value?: ScalarEvent;
  /** The first key of the mapping. */
  readonly first: ScalarEvent;
  readonly isFlow: boolean;
}

/** Finds users[name = user].user.auth-provider.config in a kubeconfig's text. */
function find(text: string, user: string, key: string): Found | undefined {
  const root = treeOf(parseEvents(text, {}));
  const users = root && member(root, "users", text);
  if (users?.kind !== "list") return undefined;
  const entry = users.items.find((one) => {
    const name = member(one, "name", text);
    return name?.kind === "scalar" && getScalarValue(text, name.event) === user;
  });
  const path = ["user", "auth-provider", "config"];
  const config = path.reduce<Tree | undefined>((at, name) => at && member(at, name, text), entry);
  const first = config?.kind === "map" ? config.pairs[0]?.[0] : undefined;
  if (config?.kind !== "map" || first?.kind !== "scalar") return undefined;
  const [there, value] = pairOf(config, key, text) ?? [];
  const place = { first: first.event, isFlow: config.isFlow };
  if (there === undefined) return place;
  return there.kind === "scalar" && value?.kind === "scalar"
    ? { ...place, key: there.event, value: value.event }
    : undefined;
}

/** A kubeconfig's text as it was read, with where each scalar stands. */
type Tree =
  | { readonly kind: "scalar"; readonly event: ScalarEvent }
  | { readonly kind: "list"; readonly items: readonly Tree[] }
  | { readonly kind: "map"; readonly pairs: readonly (readonly [Tree, Tree])[]; readonly isFlow: boolean }
  | { readonly kind: "alias" };

/** The tree of the first document. */
function treeOf(events: readonly Event[]): Tree | undefined {
  let at = events[0]?.type === EVENT_ID.DOCUMENT ? 1 : 0;
  const children = (): Tree[] => {
    const all: Tree[] = [];
    while (at < events.length && events[at]?.type !== EVENT_ID.POP) {
      const child = next();
      if (!child) break;
      all.push(child);
    }
    at++;
    return all;
  };
  const next = (): Tree | undefined => {
    const event = events[at++];
    if (!event) return undefined;
    if (event.type === EVENT_ID.SCALAR) return { kind: "scalar", event };
    if (event.type === EVENT_ID.SEQUENCE) return { kind: "list", items: children() };
    if (event.type !== EVENT_ID.MAPPING) return { kind: "alias" };
    const isFlow = event.style === COLLECTION_STYLE.FLOW;
    const all = children();
    const pairs = all.flatMap((value, i) => {
      const key = all[i - 1];
      return i % 2 === 1 && key ? [[key, value] as const] : [];
    });
    return { kind: "map", pairs, isFlow };
  };
  return next();
}

/** A key and its value: the last one, where it stands there twice. */
function pairOf(tree: Tree, name: string, text: string): readonly [Tree, Tree] | undefined {
  if (tree.kind !== "map") return undefined;
  return tree.pairs.findLast(([key]) => key.kind === "scalar" && getScalarValue(text, key.event) === name);
}

function member(tree: Tree, name: string, text: string): Tree | undefined {
  return pairOf(tree, name, text)?.[1];
}

function isQuoted({ style }: ScalarEvent): boolean {
  return style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED;
}

/** Where a scalar begins, with its quotes. */
function startOf(event: ScalarEvent): number {
  return isQuoted(event) ? event.valueStart - 1 : event.valueStart;
}

function endOf(event: ScalarEvent): number {
  return isQuoted(event) ? event.valueEnd + 1 : event.valueEnd;
}

/** Where the value of a key ends, before a line break of its own. */
function endOfValue(text: string, key: ScalarEvent, value: ScalarEvent): number {
  if (value.valueStart < 0) return text.indexOf(":", endOf(key)) + 1; // it is empty
  const end = endOf(value);
  return text[end - 1] === "\n" ? end - 1 : end; // of a block scalar
}
