/**
 * Signs a request to the Chert API (RFC 9421) with an Ed25519 key.
 *
 *     node sign.js METHOD URL --key FILE [--body FILE]
 *
 * `sign` is what an application wants; it needs nothing but Node's own crypto. What is signed is in
 * docs/api-design.md.
 */
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign as signBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const LIFETIME_S = 60;
/** What stands before a 32-byte seed in PKCS #8 (RFC 8410). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** The secret key of a key file: `ed25519`, a blank, the seed in hex. */
export function readKey(path: string): KeyObject {
  const [name, seed] = readFileSync(path, "utf8").trim().split(/\s+/);
  if (name !== "ed25519" || seed === undefined || !/^[0-9a-f]{64}$/i.test(seed)) {
    throw new Error(`${path} holds no Ed25519 key; this example knows no other`);
  }
  const der = Buffer.concat([PKCS8_ED25519, Buffer.from(seed, "hex")]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** The public key as `keyid` wants it. */
export function keyId(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  return Buffer.from(x as string, "base64url").toString("hex");
}

/** The headers that sign a request. The URL must be sent exactly as it is given here. */
export function sign(
  method: string,
  url: string,
  key: KeyObject,
  body: Uint8Array = new Uint8Array(),
): Record<string, string> {
  const { host, pathname, search } = new URL(url);
  const headers: Record<string, string> = {};
  const covered: [string, string][] = [
    ["@method", method],
    ["@authority", host.toLowerCase()],
    ["@path", pathname],
    ["@query", search === "" ? "?" : search],
  ];
  if (body.length > 0) {
    const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
    headers["content-digest"] = digest;
    covered.push(["content-digest", digest]);
  }
  const created = Math.floor(Date.now() / 1000);
  const params =
    `(${covered.map(([name]) => `"${name}"`).join(" ")})` +
    `;created=${created};expires=${created + LIFETIME_S}` +
    `;nonce="${randomBytes(16).toString("base64url")}";keyid="${keyId(key)}";alg="ed25519"`;
  const lines = covered.map(([name, value]) => `"${name}": ${value}`);
  const base = [...lines, `"@signature-params": ${params}`].join("\n");
  const signature = signBytes(null, Buffer.from(base), key).toString("base64");
  headers["signature-input"] = `chert=${params}`;
  headers["signature"] = `chert=:${signature}:`;
  return headers;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { key: { type: "string" }, body: { type: "string" } },
  });
  const [method, url] = positionals;
  if (method === undefined || url === undefined || values.key === undefined) {
    throw new Error("sign.js METHOD URL --key FILE [--body FILE]");
  }
  const body = values.body === undefined ? undefined : readFileSync(values.body);
  for (const [name, value] of Object.entries(sign(method, url, readKey(values.key), body))) {
    console.log(`${name}: ${value}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main();
}
