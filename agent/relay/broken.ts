import { writeAll } from "../../http/byte_reader.ts";
import type { Upstream } from "./upstream.ts";

/** One of the ends broke. */
export class Broken extends Error {
  override name = "Broken";
  readonly by: "caller" | "laptop" | "pod";

  constructor(by: "caller" | "laptop" | "pod", cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.by = by;
  }
}

/** Writes all of `bytes`. One that was idle may have closed meanwhile: what is read of it tells. @throws {Broken} */
export async function write({ transport, end, restingSince }: Upstream, bytes: Uint8Array): Promise<void> {
  try {
    await writeAll(transport, bytes);
  } catch (error) {
    if (restingSince !== undefined) return;
    throw new Broken(end, error);
  }
}
