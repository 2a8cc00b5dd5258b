import type { Component } from "../../wire/installer.ts";
import { type Architecture, fileNames, libbpfFile, type Payload, payloadOf } from "../../wire/payload.ts";

/** Where payloads come from. */
export interface PayloadSource {
  /** @throws when it can't be read. */
  payload(component: Component): Promise<Payload>;
  /**
   * The nodes' architectures that the node agent's payload has a libbpf for, by Kubernetes' names: "amd64".
   * @throws when it can't be read.
   */
  architectures(): Promise<readonly string[]>;
}

const kubernetesNames: Readonly<Record<Architecture, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Payloads that build.ts made: files COMPONENT.payload in a folder, each read once. */
export function builtPayloads(folder: URL): PayloadSource {
  const read = async (component: Component) =>
    await payloadOf(await Deno.readFile(new URL(`${component}.payload`, folder)));
  const payloads = new Map<Component, Promise<Payload>>();
  const payload = (component: Component) => {
    const one = payloads.get(component) ?? read(component);
    payloads.set(component, one);
    return one;
  };
  return { payload, architectures: async () => architecturesOf(await fileNames(await payload("node"))) };
}

function architecturesOf(files: readonly string[]): string[] {
  return (Object.keys(kubernetesNames) as Architecture[])
    .filter((each) => files.includes(libbpfFile(each))).map((each) => kubernetesNames[each]);
}
