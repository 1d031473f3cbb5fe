// Bundles src/cli/main.ts into dist/ and writes the executable dist/kura; then builds the native addon where its script is.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Commit time and hash, as far as they can be known here. */
function buildInfo() {
  try {
    const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const [time, hash] = git('show', '-s', '--format=%cI %H', 'HEAD').split(' ')
    const dirty = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+dirty'
    return `${new Date(time).toISOString().slice(0, 19)}Z-${hash}${dirty}`
  } catch {
    return 'unknown'
  }
}

/** Matches the paths of these modules of src/. */
const source = (...modules) => new RegExp(`/src/(${modules.join('|')})\\.ts$`)

mkdirSync(dist, { recursive: true })
const bundle = await rolldown({
  input: join(root, 'src/cli/main.ts'),
  platform: 'node',
  cwd: root,
  // Packages with native parts are found in node_modules at run time.
  external: ['fuse-native', 'zstd-napi', '@napi-rs/keyring', 'cpu-features', /^ssh2(\/|$)/, /\.node$/],
  transform: { define: { KURA_VERSION: JSON.stringify(manifest.version), KURA_BUILD: JSON.stringify(buildInfo()) } },
})
const { output } = await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: 'main.mjs',
  chunkFileNames: '[name]-[hash].mjs',
  // Loading a module costs about half a millisecond beside its size: what nearly every command needs is in two files, read one
  // after the other: all that is needed until the key is being derived, and the rest of an open repository.
  codeSplitting: {
    groups: [
      {
        name: 'start',
        test: source('cli/start', 'cli/flag', 'cli/print/json', 'cli/print/status', 'cli/values', 'base/native'),
        priority: 2,
      },
      { name: 'repository', test: source('repo/repository/compose', 'cli/dispatch'), priority: 1 },
    ],
  },
  comments: false,
})
await bundle.close()

const program = join(dist, 'kura')
writeFileSync(program, "#!/usr/bin/env node\nimport './main.mjs'\n")
chmodSync(program, 0o755)

// The manual page is what the program says of itself.
writeFileSync(join(dist, 'kura.1'), execFileSync(process.execPath, [program, '--help-man'], { maxBuffer: 1 << 24 }))

// Chunks of earlier builds go once nothing that runs can still want to load them; the addon (kura.node) stays.
const keptMs = 30 * 60_000
const fresh = new Set(output.map((chunk) => chunk.fileName))
for (const name of readdirSync(dist)) {
  const path = join(dist, name)
  if (name.endsWith('.mjs') && !fresh.has(name) && Date.now() - statSync(path).mtimeMs > keptMs) rmSync(path)
}

const addon = join(root, 'scripts/build-native.mjs')
if (!process.argv.includes('--no-native') && existsSync(addon)) {
  const run = spawnSync(process.execPath, [addon], { cwd: root, stdio: 'inherit' })
  if (run.status !== 0) process.exit(run.status ?? 1)
}
