import type {
  EarlierInstallation,
  Installation,
  InstallRequest,
  SetupFile,
  SetupTexts,
} from "../wire/setup.ts";
import { found, isSame, makeFolder, put, recorded, sha256, type WantedFile } from "./file_on_disk.ts";
import type { Places } from "./places.ts";
import { formatRecord, type InstallRecord, readRecord } from "./record.ts";
import { ageOf } from "./release_age.ts";
import { SetupError } from "./setup_error.ts";

/**
 * Installs the program and what goes with it. All of it is looked at before anything is written; what is right already isn't
 * written again.
 *
 * @param own the file that was started
 * @throws {SetupError} `conflict` where something is in the way that no installation made, unless it may be replaced
 */
export async function install(
  request: InstallRequest,
  places: Places,
  own: string,
  texts: SetupTexts,
): Promise<Installation> {
  const wanted = await wantedFiles(places, own, texts);
  const before = readRecord(places.record);
  const files: SetupFile[] = [];
  for (const file of wanted) files.push(await outcomeOf(file, before, request.force));
  const folders: string[] = [...before?.folders ?? []];
  for (const path of [...wanted.map(({ path }) => path), places.record]) {
    folders.push(...await makeFolder(path.slice(0, path.lastIndexOf("/")), request.scope));
  }
  const now: InstallRecord = { release: request.release, files: wanted.map(recorded), folders };
  // Of an installation that is interrupted, too, everything is listed.
  const earlier = before?.files.filter((one) => !now.files.some((other) => isSame(one, other))) ?? [];
  await putRecord(places.record, {
    ...now,
    release: before?.release ?? request.release,
    files: [...now.files, ...earlier],
  });
  for (const [i, { outcome }] of files.entries()) {
    const file = wanted[i];
    if (file && outcome !== "unchanged") await put(file);
  }
  await putRecord(places.record, now);
  const replaced = replacedBy(request.release, files[0], before);
  return { program: places.program, files, ...(replaced ? { replaced } : {}) };
}

/** The program comes first. */
async function wantedFiles(places: Places, own: string, texts: SetupTexts): Promise<WantedFile[]> {
  const program = await readOwn(own);
  const encoder = new TextEncoder();
  const text = async (name: keyof typeof texts) => {
    const bytes = encoder.encode(texts[name]);
    return { path: places.texts[name], bytes, sha256: await sha256(bytes), mode: 0o644 };
  };
  return [
    { path: places.program, bytes: program, sha256: await sha256(program), mode: 0o755 },
    { path: places.kubectlLink, link: places.program.slice(places.program.lastIndexOf("/") + 1) },
    ...await Promise.all((["bash", "zsh", "fish", "manual"] as const).map(text)),
  ];
}

async function readOwn(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw new SetupError(
      "usage",
      `${path}, which this pmz was started from, can't be read`,
      "start the file that is to be installed: ./pmz install",
      { cause },
    );
  }
}

async function outcomeOf(
  wanted: WantedFile,
  before: InstallRecord | undefined,
  force: boolean,
): Promise<SetupFile> {
  const { path } = wanted;
  const there = await found(path);
  if (there === undefined) return { path, outcome: "written" };
  if (there === "something else") {
    throw new SetupError("conflict", `${path} is not a file`, "move it away, then install again");
  }
  if (isSame(there, recorded(wanted))) return { path, outcome: "unchanged" };
  const isOurs = before?.files.some((one) => isSame(one, there)) ?? false;
  if (!isOurs && !force) {
    throw new SetupError(
      "conflict",
      `${path} is there, and pmz install didn't make it`,
      "move it away, or replace it: pmz install --force",
    );
  }
  return { path, outcome: "replaced" };
}

function replacedBy(
  release: string,
  program: SetupFile | undefined,
  before: InstallRecord | undefined,
): EarlierInstallation | undefined {
  if (program?.outcome !== "replaced") return undefined;
  if (!before) return { age: "unknown" };
  return { release: before.release, age: ageOf(before.release, release) };
}

async function putRecord(path: string, record: InstallRecord): Promise<void> {
  const bytes = new TextEncoder().encode(formatRecord(record));
  await put({ path, bytes, sha256: "", mode: 0o644 });
}
