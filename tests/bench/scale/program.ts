import { buildGo } from "../load.ts";

/** Where the program scale comes to lie, once it's built. */
export const scaleProgram = new URL("../../../dist/bench/pmz-bench-scale", import.meta.url).pathname;
/** As `cluster install` has it on the laptops. */
export const INSTALLED_SCALE = "/usr/local/bin/pmz-bench-scale";

/** Builds scale, which has no modules but Go's own. */
export async function buildScale(): Promise<void> {
  await buildGo(new URL(".", import.meta.url).pathname, scaleProgram);
}

/** What scale has done. */
export interface Done {
  readonly writes: number;
  /** Requests that were made again. */
  readonly retried: number;
  readonly seconds: number;
}

/** @throws {Error} where it's not what scale prints */
export function parseDone(text: string): Done {
  const { writes, retried, seconds }: Partial<Done> = JSON.parse(text) ?? {};
  if (typeof writes !== "number" || typeof retried !== "number" || typeof seconds !== "number") {
    throw new Error(`scale said: ${text}`);
  }
  return { writes, retried, seconds };
}
