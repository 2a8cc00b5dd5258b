import assert from "node:assert/strict";
import { certificates } from "../testing/certificates.ts";

Deno.test("TLS to an API server trusts the kubeconfig's CA, and no other that this process would trust", async () => {
  using given = await certificates();
  using other = await certificates();
  const impostor = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      cert: other.cert,
      key: other.key,
      onListen() {},
      onError: () => new Response(),
    },
    () => new Response(""),
  );
  const program = new URL("../testing/trusting.ts", import.meta.url).pathname;
  /** The ways by which the server is reached. The other CA stands for one of browsers: it is in the process's store. */
  const reached = async (ca: string, ...more: string[]) => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "-A", program, String(impostor.addr.port), ca, ...more],
      env: { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: `${other.folder}/ca.crt`, NODE_EXTRA_CA_CERTS: "" },
    }).output();
    return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
  };
  try {
    assert.equal(
      await reached(`${given.folder}/ca.crt`, "all"),
      "dial,unchecked,request | dial,unchecked,request",
      "without it",
    );
    assert.equal(await reached(`${given.folder}/ca.crt`), "unchecked | unchecked");
    assert.equal(
      await reached(`${other.folder}/ca.crt`),
      "dial,node,unchecked,request | dial,node,unchecked,request",
    );
  } finally {
    await impostor.shutdown();
  }
});
