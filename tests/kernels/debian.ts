/** Kernels as Debian ships them: found, checked by apt's signatures, and unpacked. */
import { said } from "./command.ts";

/** A series of kernels that Debian still makes. */
export interface Series {
  /** As in 5.10. */
  readonly name: string;
  readonly suite: string;
  /** The names of its packages, in which the build is. */
  readonly packages: RegExp;
}

export const series: readonly Series[] = [
  { name: "5.10", suite: "bullseye-security", packages: /^linux-image-5\.10\.0-\d+-amd64$/ },
  { name: "6.1", suite: "bookworm-security", packages: /^linux-image-6\.1\.0-\d+-amd64$/ },
  { name: "6.12", suite: "bookworm-security", packages: /^linux-image-6\.12\.\d+\+deb12-amd64$/ },
];

/** An unpacked kernel. */
export interface Kernel {
  /** As uname -r says it. */
  readonly release: string;
  /** The version of Debian's package. */
  readonly version: string;
  /** Has boot/ and lib/modules/. */
  readonly folder: string;
}

const MIRROR = "http://deb.debian.org/debian-security";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Gets the newest kernel of each series into a cache, which keeps what is there. */
export async function kernels(wanted: readonly Series[], cache: string): Promise<Kernel[]> {
  const apt = await privateApt(`${cache}/apt`, new Set(wanted.map(({ suite }) => suite)));
  const found: Kernel[] = [];
  for (const each of wanted) found.push(await newest(each, cache, apt));
  return found;
}

async function newest({ name, packages }: Series, cache: string, apt: readonly string[]): Promise<Kernel> {
  const names = (await said(["apt-cache", ...apt, "pkgnames", "linux-image-"])).split("\n");
  const image = names.filter((each) => packages.test(each)).sort(byBuild).at(-1);
  if (image === undefined) throw new Error(`Debian has no kernel ${name} any more: expected ${packages}`);
  const version = /^Version: (.*)$/m.exec(
    await said(["apt-cache", ...apt, "show", "--no-all-versions", image]),
  )?.[1] ?? "";
  const folder = `${cache}/${image}_${version}`;
  const kernel = { release: image.slice("linux-image-".length), version, folder };
  if (await Deno.stat(folder).then(() => true, () => false)) return kernel;
  const loading = await Deno.makeTempDir({ dir: cache });
  try {
    await said(["apt-get", ...apt, "-o", "APT::Sandbox::User=root", "download", "-q", image], loading);
    const [file] = [...Deno.readDirSync(loading)];
    await said(["dpkg", "-x", `${loading}/${file?.name}`, `${loading}/unpacked`]);
    await Deno.rename(`${loading}/unpacked`, folder); // all of it, or nothing
  } finally {
    await Deno.remove(loading, { recursive: true });
  }
  return kernel;
}

/** Options for apt with these suites alone, which leave the machine's own lists as they are. */
async function privateApt(folder: string, suites: ReadonlySet<string>): Promise<string[]> {
  await Deno.mkdir(`${folder}/lists/partial`, { recursive: true });
  await Deno.mkdir(`${folder}/cache/archives/partial`, { recursive: true });
  const lines = [...suites].map((suite) => `deb [arch=amd64 signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`);
  await Deno.writeTextFile(`${folder}/sources.list`, lines.join(""));
  const options = {
    "Dir::Etc::SourceList": `${folder}/sources.list`,
    "Dir::Etc::SourceParts": "-",
    "Dir::State::Lists": `${folder}/lists`,
    "Dir::Cache": `${folder}/cache`,
    "Acquire::Languages": "none",
  };
  const apt = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await said(["apt-get", ...apt, "update", "-q"]);
  return apt;
}

/** By the numbers in a name: 5.10.0-9 is before 5.10.0-46. */
function byBuild(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
