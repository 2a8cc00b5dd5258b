/**
 * What is used of `@kubernetes/client-node` and of the YAML parser that it brings along, loaded only when a kubeconfig is read. A module of its
 * own, since a bundler leaves the rest of the library (15 MB) out only of an import that names what it wants.
 */
export { KubeConfig } from "@kubernetes/client-node";
export { loadAll } from "js-yaml";
