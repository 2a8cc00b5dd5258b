import { type ReadVariable } from "./command_environment.ts";

/** Where distributions have the certificates that the system trusts: the first file that is there (Go's crypto/x509, root_linux.go). */
const FILES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Gentoo
  "/etc/pki/tls/certs/ca-bundle.crt", // Fedora
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL
  "/etc/ssl/cert.pem", // Alpine
];
/** Each file of these folders too. */
const FOLDERS = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** A file of certificates is a few hundred KB; what is larger is none. */
const LONGEST_FILE = 8 << 20;

/**
 * Reads the certificates that the system trusts, as kubectl does: SSL_CERT_FILE instead of the usual files, SSL_CERT_DIR (with colons
 * between) instead of the usual folders.
 *
 * @returns PEM, each certificate once
 */
export function systemRoots(
  read: ReadVariable,
  { files = FILES, folders = FOLDERS }: { files?: readonly string[]; folders?: readonly string[] } = {},
): string[] {
  const file = read("SSL_CERT_FILE"), folder = read("SSL_CERT_DIR");
  const found = new Set<string>();
  for (const path of file ? [file] : files) {
    const certificates = certificatesIn(path);
    for (const one of certificates ?? []) found.add(one);
    if (certificates) break;
  }
  for (const path of folder ? folder.split(":") : folders) {
    for (const name of namesIn(path)) {
      for (const one of certificatesIn(`${path}/${name}`) ?? []) found.add(one);
    }
  }
  return [...found];
}

/** The certificates in a file; undefined where it can't be read. */
function certificatesIn(path: string): string[] | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile || size > LONGEST_FILE) return undefined;
    return [...new TextDecoder().decode(Deno.readFileSync(path)).matchAll(CERTIFICATE)].map(([pem]) => pem);
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}
