/** The entry of the node agent's bundle: attach and relay are the same code in two containers with different rights. */
import { main as attach } from "./attach/main.ts";
import { main as relay } from "./relay/main.ts";
import { type Files, INTERCEPT_FILE, libbpfFile } from "../wire/payload.ts";
import { starter } from "./start.ts";

export const start = starter({
  attach: (files) =>
    attach({
      libbpf: requiredFile(files, libbpfFile(Deno.build.arch)),
      intercept: requiredFile(files, INTERCEPT_FILE),
    }),
  relay: () => relay(),
});

function requiredFile(files: Files, name: string): Uint8Array<ArrayBuffer> {
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!file) {
    throw new Error(
      `this payload has no ${name}: it was not built for this node's architecture (${Deno.build.arch})`,
    );
  }
  return file;
}
