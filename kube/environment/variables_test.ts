import assert from "node:assert/strict";
import { data, podOf, serviceOf, sourcesOf, variables } from "./testing/pod.ts";

const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
const resource = (resource: string, more = {}) => ({
  valueFrom: { resourceFieldRef: { resource, ...more } },
});

Deno.test("env counts before envFrom, and of two the later one", () => {
  const pod = podOf({
    envFrom: [
      { configMapRef: { name: "first" } },
      { prefix: "DB_", secretRef: { name: "db" } },
      { configMapRef: { name: "second" } },
    ],
    env: [{ name: "A", value: "env" }, { name: "EMPTY" }],
  });
  const sources = sourcesOf({
    "ConfigMap first": data({ A: "1", B: "1", C: "1" }),
    "ConfigMap second": data({ B: "2" }),
    "Secret db": data({ USER: "jo", PASSWORD: "s3cr€t" }),
  });
  assert.deepEqual(variables(pod, sources), {
    variables: { A: "env", B: "2", C: "1", DB_USER: "jo", DB_PASSWORD: "s3cr€t", EMPTY: "" },
    gaps: [],
  });
});

Deno.test("references are expanded in order: to earlier variables and Services, never within what was read", () => {
  const pod = podOf({
    envFrom: [{ secretRef: { name: "db" } }],
    env: [
      { name: "EARLY", value: "$(LATE)" },
      { name: "LATE", value: "late" },
      { name: "URL", value: "http://$(USER):$(LATE)@$(DB_SERVICE_HOST):$(DB_SERVICE_PORT)/$$(USER)" },
      { name: "READ", valueFrom: { secretKeyRef: { name: "db", key: "USER" } } },
    ],
  });
  const sources = sourcesOf({ "Secret db": data({ USER: "$(LATE)" }) }, {
    services: [serviceOf("db", "10.96.0.9", [{ port: 5432 }])],
  });
  const { EARLY, URL, READ } = variables(pod, sources).variables;
  assert.deepEqual({ EARLY, URL, READ }, {
    EARLY: "$(LATE)",
    URL: "http://$(LATE):late@10.96.0.9:5432/$(USER)",
    READ: "$(LATE)",
  });
});

Deno.test("a variable of the pod's own counts before that of a Service", () => {
  const pod = podOf({ env: [{ name: "DB_SERVICE_HOST", value: "localhost" }] });
  const sources = sourcesOf({}, { services: [serviceOf("db", "10.96.0.9", [{ port: 5432 }])] });
  const set = variables(pod, sources).variables;
  assert.equal(set.DB_SERVICE_HOST, "localhost");
  assert.equal(set.DB_SERVICE_PORT, "5432");
});

Deno.test("the pod's fields are those of the downward API", () => {
  const pod = podOf({
    env: [
      { name: "NAME", ...field("metadata.name") },
      { name: "NAMESPACE", ...field("metadata.namespace") },
      { name: "UID", ...field("metadata.uid") },
      { name: "APP", ...field("metadata.labels['app']") },
      { name: "NONE", ...field("metadata.annotations['none']") },
      { name: "NOTE", ...field("metadata.annotations['note']") },
      { name: "NODE", ...field("spec.nodeName") },
      { name: "ACCOUNT", ...field("spec.serviceAccountName") },
      { name: "HOST", ...field("status.hostIP") },
      { name: "IP", ...field("status.podIP") },
      { name: "IPS", ...field("status.podIPs") },
    ],
  }, { serviceAccountName: "robot" });
  assert.deepEqual(variables(pod), {
    variables: {
      NAME: "shop-1",
      NAMESPACE: "shop",
      UID: "u-1",
      APP: "shop",
      NONE: "",
      NOTE: "first\nsecond",
      NODE: "node-1",
      ACCOUNT: "robot",
      HOST: "10.0.0.1",
      IP: "10.244.0.5",
      IPS: "10.244.0.5,fd00::5",
    },
    gaps: [],
  });
});

Deno.test("limits are the container's, another one's, or its node's where there are none", () => {
  const container = {
    name: "shop",
    resources: { limits: { cpu: "1500m" }, requests: { memory: "64Mi" } },
    env: [
      { name: "CPU", ...resource("limits.cpu") },
      { name: "MILLIS", ...resource("limits.cpu", { divisor: "1m" }) },
      { name: "REQUESTED", ...resource("requests.memory", { divisor: "1Mi" }) },
      { name: "NO_REQUEST", ...resource("requests.cpu", { divisor: "0" }) },
      { name: "OF_NODE", ...resource("limits.memory", { divisor: "1Gi" }) },
      { name: "OTHERS", ...resource("limits.memory", { containerName: "side" }) },
    ],
  };
  const both = podOf({}, {
    containers: [container, { name: "side", resources: { limits: { memory: 1024 } } }],
  });
  const allocatable = new Map([["memory", "7.5Gi"]]);
  const expected = { CPU: "2", MILLIS: "1500", REQUESTED: "64", NO_REQUEST: "0", OTHERS: "1024" };
  assert.deepEqual(variables(both, sourcesOf({}, { allocatable })), {
    variables: { ...expected, OF_NODE: "8" },
    gaps: [],
  });
  assert.deepEqual(variables(both), {
    variables: expected,
    gaps: ["limits.memory of the container isn't known here: without OF_NODE"],
  });
});

Deno.test("what is optional and missing is left out without a word", () => {
  const optional = { name: "gone", optional: true };
  const pod = podOf({
    envFrom: [{ configMapRef: optional }, { secretRef: optional }],
    env: [
      { name: "A", valueFrom: { configMapKeyRef: { ...optional, key: "a" } } },
      { name: "B", valueFrom: { secretKeyRef: { name: "there", key: "gone", optional: true } } },
    ],
  });
  assert.deepEqual(variables(pod, sourcesOf({ "Secret there": data({}) })), { variables: {}, gaps: [] });
});

Deno.test("what is missing, or may not be read, is named with what it takes along, and the rest is set", () => {
  const secret = (name: string, key: string, more = {}) => ({
    valueFrom: { secretKeyRef: { name, key, ...more } },
  });
  const pod = podOf({
    envFrom: [{ configMapRef: { name: "gone" } }, { prefix: "X_", secretRef: { name: "closed" } }],
    env: [
      { name: "A", ...secret("closed", "a", { optional: true }) },
      { name: "B", ...secret("closed", "b") },
      { name: "C", ...secret("there", "c") },
      { name: "D", value: "d" },
      { name: "E", valueFrom: { fileKeyRef: { path: "e" } } },
    ],
  });
  const sources = sourcesOf({ "Secret closed": "may not be read", "Secret there": data({}) });
  assert.deepEqual(variables(pod, sources), {
    variables: { D: "d" },
    gaps: [
      "ConfigMap gone doesn't exist: without all its variables",
      "Secret closed may not be read: without all its variables X_*, A, B",
      "Secret there has no key c: without C",
      "pmz doesn't know fileKeyRef: without E",
    ],
  });
});

Deno.test("entries whose keys are no names of variables are left out, as a kubelet of that version does", () => {
  const pod = podOf({
    envFrom: [{ configMapRef: { name: "c" } }, { prefix: "=", configMapRef: { name: "c" } }],
  });
  const object = data({ "1a": "1", "a.b-c": "2", B: "3", "..": "4", bin: "5" }, ["bin"]);
  const set = (hasRelaxedNames: boolean) =>
    variables(pod, sourcesOf({ "ConfigMap c": object }, { hasRelaxedNames }));
  assert.deepEqual(set(true).variables, { "1a": "1", "a.b-c": "2", B: "3", "..": "4" });
  assert.deepEqual(set(false).variables, { "a.b-c": "2", B: "3" });
});

Deno.test("bytes that no variable can have are named, without being shown", () => {
  const pod = podOf({ envFrom: [{ secretRef: { name: "s" } }] });
  const object = data({ LATIN1: new Uint8Array([0x68, 0xe9]), ZERO: "a\0b", FINE: "\ufeffx" });
  assert.deepEqual(variables(pod, sourcesOf({ "Secret s": object })), {
    variables: { FINE: "\ufeffx" },
    gaps: [
      "Secret s has bytes that aren't UTF-8: without LATIN1",
      "a variable can't have a zero byte: without ZERO",
    ],
  });
});

Deno.test("a template has no pod's name and address, and says so", () => {
  const pod = podOf(
    {
      env: [{ name: "NAME", ...field("metadata.name") }, { name: "APP", ...field("metadata.labels['app']") }],
    },
    {},
    { name: undefined },
  );
  assert.deepEqual(variables(pod), {
    variables: { APP: "shop" },
    gaps: ["no pod runs that has metadata.name: without NAME"],
  });
});
