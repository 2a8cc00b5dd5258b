/**
 * What is used of `@kubernetes/client-node`, in a module of its own: a bundler leaves the rest of the library (15 MB) out
 * only of an import that names what it wants.
 */
export { KubeConfig } from "@kubernetes/client-node";
