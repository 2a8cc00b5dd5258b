import { closeQuietly } from "./close_quietly.ts";

Deno.test("what was closed before, or never opened, can be closed again", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  closeQuietly(listener);
  closeQuietly(undefined);
});
