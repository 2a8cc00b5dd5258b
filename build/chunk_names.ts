import { createHash } from "node:crypto";
import { BuildError } from "./command.ts";

/** A file that the bundler has named by a hash, into which the paths of the machine went that it runs on. */
const HASHED = /^(.+)-[0-9A-Z]{8}\.js$/;
/** Rounds after which a name depends on all that its chunk imports, however far away. */
const ROUNDS = 32;

/**
 * New names for a bundle's chunks, by what is in them and in what they import, which are the same on all machines.
 *
 * @param files the text of each file of the bundle, by name
 * @returns the files with their new names, also where they import each other
 * @throws {BuildError} where two chunks can't be told apart
 */
export function renamedByContent(files: ReadonlyMap<string, string>): Map<string, string> {
  const chunks = [...files.keys()].filter((name) => HASHED.test(name));
  let names = new Map(chunks.map((name) => [name, `${stem(name)}.js`]));
  for (let round = 0; round < ROUNDS; round++) {
    const last = names;
    names = new Map(chunks.map((name) => {
      const text = withNames(files.get(name) ?? "", last);
      const digest = createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
      return [name, `${stem(name)}-${digest}.js`];
    }));
  }
  if (new Set(names.values()).size < chunks.length) {
    throw new BuildError("two chunks of the bundle are the same");
  }
  return new Map([...files].map(([name, text]) => [names.get(name) ?? name, withNames(text, names)]));
}

function stem(name: string): string {
  return HASHED.exec(name)?.[1] ?? name;
}

/** A chunk's text with the names of those that it imports replaced. */
function withNames(text: string, names: ReadonlyMap<string, string>): string {
  return text.replace(/"\.\/([^"/]+\.js)"/g, (whole, name: string) => {
    const other = names.get(name);
    return other === undefined ? whole : `"./${other}"`;
  });
}
