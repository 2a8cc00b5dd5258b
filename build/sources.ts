import { BuildError, tool } from "./command.ts";
import { root } from "./versions.ts";

/** The files of a program, found by following its imports and its `new URL("...", import.meta.url)`. */
export interface Sources {
  /** Modules of the project, by path relative to its folder. */
  modules: Set<string>;
  /** Modules that are started as workers. */
  workers: Set<string>;
  /** Files that are read at run time. */
  assets: Set<string>;
}

const location = /new URL\(\s*(["'`])(\.[^"'`$]*)\1\s*,\s*import\.meta\.url\s*,?\s*\)/g;

/**
 * Follows a program from its entry.
 *
 * @param folder absolute, without a slash at its end
 * @param entry relative to it
 * @throws {BuildError} where a module asks for its own place in another way, or for what isn't there
 */
export async function sourcesOf(folder: string, entry: string): Promise<Sources> {
  const sources: Sources = { modules: new Set(), workers: new Set(), assets: new Set() };
  const entries = [entry];
  for (const next of entries) {
    for (const module of await localModules(folder, next)) {
      if (sources.modules.has(module)) continue;
      sources.modules.add(module);
      for (const path of locations(folder, module)) {
        if (path === "") continue; // the base of files that the build is told of
        if (!/\.tsx?$/.test(path)) {
          for (const file of files(folder, path, module)) sources.assets.add(file);
        } else if (!sources.workers.has(path)) {
          sources.workers.add(path);
          entries.push(path);
        }
      }
    }
  }
  return sources;
}

/** A module's text with its workers and assets where the built program has them: all modules end up in one folder. */
export function relocated(module: string, text: string): string {
  return text.replace(location, (_, _quote, path: string) => {
    const target = new URL(path, `file:///${module}`).pathname.slice(1);
    const place = /\.tsx?$/.test(target) ? workerFile(target) : `assets/${target}`;
    return `new URL(${JSON.stringify(`./${place}`)}, import.meta.url)`;
  });
}

/** A worker's file in the built program. */
export const workerFile = (module: string): string =>
  `worker-${module.replace(/\.tsx?$/, "").replaceAll("/", "-")}.js`;

/** Paths that a module refers to, relative to the project's folder. */
function locations(folder: string, module: string): string[] {
  const text = withoutComments(Deno.readTextFileSync(`${folder}/${module}`));
  const found = [...text.matchAll(location)].map(([, , path = ""]) =>
    new URL(path, `file:///${module}`).pathname.slice(1)
  );
  if (text.replace(location, "").includes("import.meta.url")) {
    throw new BuildError(
      `${module} uses import.meta.url otherwise than in new URL("...", import.meta.url): ` +
        "the built program has it in another place, so write the path there in full",
    );
  }
  return found;
}

/** Comments in lines of their own, which is where this project has them. */
const withoutComments = (text: string): string => text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");

function* files(folder: string, path: string, wantedBy: string): Iterable<string> {
  let status;
  try {
    status = Deno.statSync(`${folder}/${path}`);
  } catch (cause) {
    throw new BuildError(`${wantedBy} reads ${path}, which isn't there`, { cause });
  }
  if (status.isFile) return yield path;
  for (const { name } of Deno.readDirSync(`${folder}/${path}`)) {
    yield* files(folder, `${path.replace(/\/$/, "")}/${name}`, wantedBy);
  }
}

async function localModules(folder: string, entry: string): Promise<string[]> {
  const graph: unknown = JSON.parse(
    await tool([Deno.execPath(), "info", "--json", "--config", `${root}/deno.json`, `${folder}/${entry}`]),
  );
  const prefix = `file://${folder}/`;
  const found = [];
  for (const module of list(graph, "modules")) {
    const specifier = text(module, "specifier");
    const error = text(module, "error");
    if (error) throw new BuildError(`${specifier}: ${error}`);
    if (specifier?.startsWith(prefix) && !specifier.endsWith(".d.ts")) {
      found.push(specifier.slice(prefix.length));
    }
  }
  return found;
}

function list(value: unknown, name: string): unknown[] {
  const member = typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
  return Array.isArray(member) ? member : [];
}

function text(value: unknown, name: string): string | undefined {
  const member = typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
  return typeof member === "string" ? member : undefined;
}
