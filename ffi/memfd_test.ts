import assert from "node:assert/strict";
import { sealedFile } from "./memfd.ts";
import { closeDescriptor } from "./sockets/socket.ts";

Deno.test("nobody changes a sealed file's bytes any more", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const { fd, path } = sealedFile(bytes, "test");
  assert.deepEqual(await Deno.readFile(path), bytes);
  using file = await Deno.open(path, { read: true, write: true });
  await assert.rejects(file.write(new Uint8Array(1)), "sealed");
  await assert.rejects(file.truncate(0), "sealed");
  assert.deepEqual(await Deno.readFile(path), bytes);
  closeDescriptor(fd);
});
