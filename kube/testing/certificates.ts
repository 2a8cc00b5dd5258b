/** A CA of a test, and one certificate of it for 127.0.0.1 and kube.example, as server and as client. PEM. */
export interface Certificates extends Disposable {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Runs openssl in the folder where these are files: ca.crt, leaf.crt, leaf.key. */
  openssl(args: string[]): Promise<string>;
  readonly folder: string;
}

export async function certificates(): Promise<Certificates> {
  const folder = await Deno.makeTempDir();
  const openssl = async (args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
    if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl([
    "req",
    "-x509",
    ...ec,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "2",
    "-subj",
    "/CN=test ca",
  ]);
  await Deno.writeTextFile(
    `${folder}/ext`,
    "subjectAltName=IP:127.0.0.1,DNS:kube.example\nextendedKeyUsage=serverAuth,clientAuth\n",
  );
  await openssl([
    "req",
    "-new",
    ...ec,
    "-keyout",
    "leaf.key",
    "-out",
    "leaf.csr",
    "-subj",
    "/O=devs/CN=dana",
  ]);
  const sign = [
    "-req",
    "-in",
    "leaf.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
  ];
  await openssl(["x509", ...sign, "-extfile", "ext", "-out", "leaf.crt"]);
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  return {
    ca: await read("ca.crt"),
    cert: await read("leaf.crt"),
    key: await read("leaf.key"),
    openssl,
    folder,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}
