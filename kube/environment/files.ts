import { expand } from "./expansion.ts";
import type { Gaps } from "./gaps.ts";
import { fieldOf, resourceOf } from "./pod_fields.ts";
import type { Container, Mount, PodSpec, Volume, VolumeSource } from "./pod_spec.ts";
import { containerOf, type Sources } from "./sources.ts";
import { lacksField, nameOf } from "./variables.ts";

/** A file of the container's configuration. */
export interface MountedFile {
  /** Absolute, in the container; no part of it is empty, "." or "..". */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** What of a container's mounts is configuration. */
export interface MountedFiles {
  readonly files: readonly MountedFile[];
  /** Folders that volumes are mounted at, be they empty. */
  readonly folders: readonly string[];
  /** Mounts that aren't configuration, in words: "/data (persistentVolumeClaim)". */
  readonly absent: readonly string[];
}

/** A file of a volume, by its path in it. */
type VolumeFiles = ReadonlyMap<string, Omit<MountedFile, "path">>;

const encoder = new TextEncoder();

/** The files that a container has by volumes of ConfigMaps, Secrets, the downward API and tokens, as a kubelet lays them out. */
export function filesOf(
  pod: PodSpec,
  container: Container,
  variables: ReadonlyMap<string, string>,
  sources: Sources,
  gaps: Gaps,
): MountedFiles {
  const places = new Map<string, VolumeFiles | undefined>();
  const absent: string[] = [];
  const folders: string[] = [];
  for (const mount of container.mounts) {
    const at = normalized(mount.path);
    const volume = pod.volumes.find(({ name }) => name === mount.volume);
    const within = subPathOf(mount, variables);
    if (at === undefined || !volume || within === undefined) {
      gaps.add(`volume ${mount.volume} has no valid path here`, mount.path);
      continue;
    }
    const others = volume.sources.flatMap((source) => source.kind === "other" ? [source.what] : []);
    if (others.length === 0 || others.length < volume.sources.length) {
      const files = within.reduce(subFolder, volumeFiles(volume, mount, pod, container, sources, gaps));
      if (at === "/" && files.has("")) {
        gaps.add(`volume ${mount.volume} has a file, which can't be the container's root`, mount.path);
        continue;
      }
      places.set(at, files);
      if (!files.has("")) folders.push(at);
    } else {
      places.set(at, undefined); // it hides what others have there
    }
    if (others.length > 0) absent.push(`${at} (${others.join(", ")})`);
  }
  const files = [...places].flatMap(([at, some]) =>
    [...some ?? []].map(([name, file]) => ({
      path: name === "" ? at : `${at === "/" ? "" : at}/${name}`,
      ...file,
      at,
    }))
  );
  return {
    files: files.filter(({ path, at }) => closest(places, path) === at).map(({ at: _, ...file }) => file),
    folders: folders.filter((path) => closest(places, path) === path),
    absent,
  };
}

/** The mount that a path belongs to: the deepest one at or above it. */
function closest(places: ReadonlyMap<string, unknown>, path: string): string | undefined {
  for (let at = path;; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    if (places.has(at)) return at;
    if (at === "/") return undefined;
  }
}

/** An absolute path without needless parts; undefined where it isn't one, or leads upwards. */
function normalized(path: string): string | undefined {
  const parts = partsOf(path);
  return parts && path.startsWith("/") ? `/${parts.join("/")}` : undefined;
}

/** The parts of a path; undefined where it leads upwards, or has what no path has. */
function partsOf(path: string): string[] | undefined {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return path.includes("\0") || parts.includes("..") ? undefined : parts;
}

function subPathOf(
  { subPath, subPathExpr }: Mount,
  variables: ReadonlyMap<string, string>,
): string[] | undefined {
  let isWhole = true;
  const path = subPathExpr === "" ? subPath : expand(subPathExpr, (name) => {
    const value = variables.get(name);
    if (value === undefined) isWhole = false;
    return value;
  });
  return isWhole && !path.startsWith("/") ? partsOf(path) : undefined;
}

/** What lies below one of its folders; a file by itself has the name "". */
function subFolder(files: VolumeFiles, part: string): VolumeFiles {
  return new Map([...files].flatMap(([name, file]) => {
    if (name === part) return [["", file] as const];
    return name.startsWith(`${part}/`) ? [[name.slice(part.length + 1), file] as const] : [];
  }));
}

function volumeFiles(
  { defaultMode, sources: of }: Volume,
  { path: at }: Mount,
  pod: PodSpec,
  container: Container,
  sources: Sources,
  gaps: Gaps,
): VolumeFiles {
  const files = new Map<string, Omit<MountedFile, "path">>();
  for (const source of of) {
    for (const { path, mode, content } of sourceFiles(source, at, pod, container, sources, gaps)) {
      const parts = partsOf(path);
      if (parts && parts.length > 0) files.set(parts.join("/"), { mode: mode ?? defaultMode, content });
      else gaps.add("a volume has a file without a valid path", `${at}/${path}`);
    }
  }
  return files;
}

interface SourceFile {
  readonly path: string;
  readonly mode?: number | undefined;
  readonly content: Uint8Array;
}

function* sourceFiles(
  source: VolumeSource,
  at: string,
  pod: PodSpec,
  container: Container,
  sources: Sources,
  gaps: Gaps,
): Generator<SourceFile> {
  switch (source.kind) {
    case "object": {
      const { object, optional, items } = source;
      const looked = sources.object(object);
      if (!looked.found) {
        if (!(optional && looked.isMissing)) {
          gaps.add(`${nameOf(object)} ${looked.why}`, `its files in ${at}`);
        }
        return;
      }
      const { entries } = looked.found;
      if (items.length === 0) { for (const [path, content] of entries) yield { path, content }; }
      for (const { key, path, mode } of items) {
        const content = entries.get(key);
        if (content) yield { path, mode, content };
        else if (!optional) gaps.add(`${nameOf(object)} has no key ${key}`, `${at}/${path}`);
      }
      return;
    }
    case "downward":
      for (const { path, mode, from } of source.items) {
        const of = from.kind === "resource" ? containerOf(pod, container, from.container) : undefined;
        const value = from.kind === "field"
          ? fieldOf(pod, from.path)
          : of && resourceOf(of, from, sources.allocatable);
        if (value !== undefined) yield { path, mode, content: encoder.encode(value) };
        else {gaps.add(
            from.kind === "field" ? lacksField(pod, from.path) : `${from.resource} isn't known here`,
            `${at}/${path}`,
          );}
      }
      return;
    case "token": {
      const looked = sources.token(source.token);
      if (looked.found !== undefined) {
        yield { path: source.path, mode: 0o600, content: encoder.encode(looked.found) };
      } else {gaps.add(
          `a token of service account ${pod.serviceAccountName} ${looked.why}`,
          `${at}/${source.path}`,
        );}
      return;
    }
    case "other":
      return;
  }
}
