/**
 * The loader in the pod spec, in plain sight of everyone who may read the pod: it enforces the digest there. It joins the
 * chunks, compares their digest, and only then unpacks and runs them, from memory, so that nothing can change in between. It
 * runs under the agent's own permissions.
 *
 * Arguments: the digest, the number of chunks, their folder, the role.
 */
export const loader = `\
const [digest, count, folder, role] = Deno.args;
const chunks = [];
for (let i = 0; i < Number(count); i++) chunks.push(await Deno.readFile(folder + "/" + i));
const packed = new Blob(chunks);
const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await packed.arrayBuffer())).toHex();
if (digest !== "sha256:" + hash) {
  console.error("pmz: the payload is sha256:" + hash + ", but this pod may only run " + digest +
    ". None of it was run: its ConfigMaps have been changed. Deploy again: pmz agent deploy --force");
  Deno.exit(78);
}
const plain = new Uint8Array(await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
let at = plain.indexOf(10) + 1;
const files = {};
for (const [name, length] of JSON.parse(new TextDecoder().decode(plain.subarray(0, at)))) {
  files[name] = plain.slice(at, at += length);
}
const code = URL.createObjectURL(new Blob([files["agent.js"]], { type: "text/javascript" }));
await (await import(code)).start(role, files);
`;

/** The permissions of a role in Deno, within those of the pod's security context. */
export interface Permissions {
  /** Without the `--allow-`: "net", "read=/payload". */
  readonly allow: readonly string[];
  /** MiB of V8's heap. */
  readonly heapMiB: number;
}

/** The folder of the payload's chunks in a pod: files "0", "1", ... */
export const PAYLOAD_FOLDER = "/payload";
/** The folder of the payload in a prebuilt image. */
export const PREBUILT = "/pmz/payload";

/**
 * Deno's fetch takes these from the environment. An image or an admission webhook may set them for what pods dial outside; agents
 * dial the API server, which is inside.
 */
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((
  name,
) => [name, name.toLowerCase()]);

/** The container's command: a shell that executes Deno with the loader as its standard input. */
export function command(
  role: string,
  payload: { readonly digest: string; readonly chunks: number },
  permissions: Permissions,
  folder = PAYLOAD_FOLDER,
): string[] {
  const flags = [
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-npm",
    "--no-remote",
    "--cached-only",
    "--no-code-cache",
    `--v8-flags=--max-old-space-size=${permissions.heapMiB}`,
    `--allow-read=${[folder, ...readable(permissions)].join(",")}`,
    ...permissions.allow.filter((each) => !each.startsWith("read=")).map((each) => `--allow-${each}`),
  ];
  const run = ["exec deno run", ...flags, "-", payload.digest, payload.chunks, folder, role].join(" ");
  return ["/bin/sh", "-c", `unset ${PROXY_VARIABLES.join(" ")}\n${run} <<'LOADER'\n${loader}LOADER\n`];
}

function readable({ allow }: Permissions): string[] {
  return allow.flatMap((each) => each.startsWith("read=") ? [each.slice("read=".length)] : []);
}
