import assert from "node:assert/strict";
import fc from "fast-check";
import { data, files, podOf, sourcesOf } from "./testing/pod.ts";

const sources = sourcesOf({
  "ConfigMap app": data({ "app.conf": "a=1", "more.conf": "b=2", blob: new Uint8Array([1]) }, ["blob"]),
  "Secret tls": data({ "tls.key": "KEY", "tls.crt": "CRT" }),
});

Deno.test("volumes of ConfigMaps and Secrets are folders of their entries, with their modes", () => {
  const pod = podOf({
    volumeMounts: [
      { name: "app", mountPath: "/etc/app/" },
      { name: "tls", mountPath: "/etc/tls", readOnly: true },
    ],
  }, {
    volumes: [
      { name: "app", configMap: { name: "app" } },
      {
        name: "tls",
        secret: {
          secretName: "tls",
          defaultMode: 0o400,
          items: [{ key: "tls.key", path: "private/key.pem", mode: 0o440 }, {
            key: "tls.crt",
            path: "crt.pem",
          }],
        },
      },
      { name: "unused", secret: { secretName: "other" } },
    ],
  });
  assert.deepEqual(files(pod, sources), {
    files: [
      "/etc/app/app.conf 644 a=1",
      "/etc/app/more.conf 644 b=2",
      "/etc/app/blob 644 \x01",
      "/etc/tls/private/key.pem 440 KEY",
      "/etc/tls/crt.pem 400 CRT",
    ],
    folders: ["/etc/app", "/etc/tls"],
    absent: [],
    gaps: [],
  });
});

Deno.test("subPath mounts a file or a folder of a volume by itself, and hides what is below it", () => {
  const pod = podOf({
    env: [{ name: "WHICH", value: "more" }],
    volumeMounts: [
      { name: "app", mountPath: "/etc/app" },
      { name: "tls", mountPath: "/etc/app/app.conf", subPath: "tls.crt" },
      { name: "app", mountPath: "/one.conf", subPathExpr: "$(WHICH).conf" },
      { name: "deep", mountPath: "/deep", subPath: "a/b" },
      { name: "data", mountPath: "/etc/app/blob" },
    ],
  }, {
    volumes: [
      { name: "app", configMap: { name: "app" } },
      { name: "tls", secret: { secretName: "tls" } },
      { name: "deep", configMap: { name: "app", items: [{ key: "app.conf", path: "a/b/c/d" }] } },
      { name: "data", emptyDir: {} },
    ],
  });
  assert.deepEqual(files(pod, sources), {
    files: [
      "/etc/app/more.conf 644 b=2",
      "/etc/app/app.conf 644 CRT",
      "/one.conf 644 b=2",
      "/deep/c/d 644 a=1",
    ],
    folders: ["/etc/app", "/deep"],
    absent: ["/etc/app/blob (emptyDir)"],
    gaps: [],
  });
});

Deno.test("a projected volume has them all in one folder: token, ConfigMap, Secret, downward API", () => {
  const pod = podOf({
    resources: { limits: { cpu: "2" } },
    volumeMounts: [{ name: "all", mountPath: "/var/run/all" }],
  }, {
    serviceAccountName: "robot",
    volumes: [{
      name: "all",
      projected: {
        defaultMode: 0o640,
        sources: [
          { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
          { serviceAccountToken: { path: "vault/token", audience: "vault", expirationSeconds: 7200 } },
          { configMap: { name: "app", items: [{ key: "app.conf", path: "app.conf" }] } },
          { secret: { name: "tls", items: [{ key: "tls.crt", path: "crt", mode: 0o444 }] } },
          {
            downwardAPI: {
              items: [
                { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                { path: "notes", fieldRef: { fieldPath: "metadata.annotations" } },
                {
                  path: "cpu",
                  resourceFieldRef: { containerName: "shop", resource: "limits.cpu", divisor: "1m" },
                },
              ],
            },
          },
        ],
      },
    }],
  });
  assert.deepEqual(files(pod, sources), {
    files: [
      "/var/run/all/token 600 token for api 3607",
      "/var/run/all/vault/token 600 token for vault 7200",
      "/var/run/all/app.conf 640 a=1",
      "/var/run/all/crt 444 CRT",
      '/var/run/all/labels 640 app="shop"\ntier="a \\"b\\""',
      '/var/run/all/notes 640 note="first\\nsecond"',
      "/var/run/all/cpu 640 2000",
    ],
    folders: ["/var/run/all"],
    absent: [],
    gaps: [],
  });
});

Deno.test("what is missing is named, what is optional isn't, and an empty volume is a folder still", () => {
  const pod = podOf({
    volumeMounts: [
      { name: "optional", mountPath: "/optional" },
      { name: "gone", mountPath: "/gone" },
      { name: "key", mountPath: "/key" },
      { name: "token", mountPath: "/token" },
    ],
  }, {
    volumes: [
      { name: "optional", configMap: { name: "gone", optional: true } },
      { name: "gone", secret: { secretName: "gone" } },
      {
        name: "key",
        configMap: { name: "app", items: [{ key: "nosuch", path: "a" }, { key: "app.conf", path: "b" }] },
      },
      { name: "token", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
    ],
  });
  const refusing = {
    ...sources,
    token: () => ({ isMissing: false, why: "may not be requested" }),
  };
  assert.deepEqual(files(pod, refusing), {
    files: ["/key/b 644 a=1"],
    folders: ["/optional", "/gone", "/key", "/token"],
    absent: [],
    gaps: [
      "Secret gone doesn't exist: without its files in /gone",
      "ConfigMap app has no key nosuch: without /key/a",
      "a token of service account default may not be requested: without /token/t",
    ],
  });
});

Deno.test("a file that is mounted at the root is a gap", () => {
  const pod = podOf({ volumeMounts: [{ name: "app", mountPath: "/", subPath: "app.conf" }] }, {
    volumes: [{ name: "app", configMap: { name: "app" } }],
  });
  const { files: some, gaps } = files(pod, sources);
  assert.deepEqual(some, []);
  assert.deepEqual(gaps, ["volume app has a file, which can't be the container's root: without /"]);
});

Deno.test("no file is ever outside of the container's own paths, whatever the cluster says", () => {
  const part = fc.constantFrom("a", "..", ".", "", "b", "..data", "\0");
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(fc.property(path, path, path, fc.boolean(), (mountPath, subPath, item, isRooted) => {
    const at = `${isRooted ? "/" : ""}${mountPath}`;
    if (at === "" || item === "") return;
    const pod = podOf({ volumeMounts: [{ name: "app", mountPath: at, subPath }] }, {
      volumes: [{ name: "app", configMap: { name: "app", items: [{ key: "app.conf", path: item }] } }],
    });
    for (const file of files(pod, sources).files) assert.match(file, /^(\/(?!\.\.?[/ ])[^/\0]+)+ 644 a=1$/);
  }));
});
