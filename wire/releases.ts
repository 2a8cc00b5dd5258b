/**
 * Where releases are: a page of which `latest/download/FILE` is the newest release's file. Undefined while there is no such place:
 * `pmz upgrade` says then how pmz is built. The one place that names it; a test compares install.sh.
 */
export const RELEASES: string | undefined = undefined;
