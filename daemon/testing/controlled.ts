/** A daemon that is asked for nothing: a test says what else it answers. */
import type { Controlled } from "../../wire/control.ts";
import { helloOf } from "../../wire/hello.ts";

const notAsked = () => {
  throw new Error("this test doesn't ask for it");
};
export const nothing: Controlled = {
  hello: () => helloOf("control", { release: "0.1.0" }),
  plugin: () => ({ isNeeded: false }),
  plan: notAsked,
  up: notAsked,
  down: notAsked,
  status: notAsked,
  look: notAsked,
  explain: notAsked,
  services: () => [],
  names: () => [],
  addName: notAsked,
  removeName: notAsked,
  allowedDomains: () => [],
  allowDomain: notAsked,
  disallowDomain: notAsked,
  helperLog: () => ({}),
  flows: () => [],
  followFlows: notAsked,
  intercepts: () => Promise.resolve([]),
  intercept: notAsked,
  leave: notAsked,
  hold: notAsked,
  release: notAsked,
  environment: notAsked,
  agent: notAsked,
  installAgent: notAsked,
  removeAgent: notAsked,
  stop() {},
};
