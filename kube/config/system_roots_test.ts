import assert from "node:assert/strict";
import { certificates } from "../testing/certificates.ts";
import { folder } from "../testing/kubeconfig.ts";
import { systemRoots } from "./system_roots.ts";

Deno.test("the first file that is there and all files of the folders are the system's roots, each certificate once", async () => {
  using made = await certificates();
  using place = folder();
  const usual = place.write("usual.crt", `${made.ca}\n${made.ca}`);
  const other = place.write("other.crt", made.cert);
  Deno.mkdirSync(`${place.path}/certs`);
  place.write("certs/1.pem", made.cert);
  place.write("certs/notes.txt", "nothing");
  Deno.symlinkSync(`${place.path}/gone`, `${place.path}/certs/broken`);
  const roots = (variables: Record<string, string>) =>
    systemRoots((name) => variables[name], {
      files: [`${place.path}/none`, usual, other],
      folders: [`${place.path}/none`],
    }).map((pem) => `${pem}\n`);
  assert.deepEqual(roots({}), [made.ca]);
  assert.deepEqual(roots({ SSL_CERT_FILE: other }), [made.cert]);
  assert.deepEqual(roots({ SSL_CERT_FILE: `${place.path}/none` }), [], "no other file counts then");
  assert.deepEqual(roots({ SSL_CERT_DIR: `${place.path}/none:${place.path}/certs` }), [made.ca, made.cert]);
  assert.deepEqual(roots({ SSL_CERT_FILE: other, SSL_CERT_DIR: `${place.path}/certs` }), [made.cert]);
});
