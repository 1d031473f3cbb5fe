import { spawnSync } from 'node:child_process'

// getrusage of the children is the one way to a child's peak memory without a tool to install; Python has it everywhere.
const wrapper = `
import json, os, resource, subprocess, sys, time
out = open(os.devnull, 'w')
start = time.monotonic()
status = subprocess.call(sys.argv[1:], stdout=out, stdin=subprocess.DEVNULL)
wall = time.monotonic() - start
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'status': status, 'wall': wall, 'cpu': u.ru_utime + u.ru_stime, 'rss': u.ru_maxrss * 1024}))
`

/** Runs one command to its end. Returns wall and CPU seconds and peak memory in bytes. Throws when it fails. */
export function measure(command, args, env) {
  // The variable costs every start of Node 20 some 40 ms: the machine's, not ours.
  const { NODE_EXTRA_CA_CERTS: _, ...clean } = { ...process.env, ...env }
  const run = spawnSync('python3', ['-c', wrapper, command, ...args], { env: clean, encoding: 'utf8', maxBuffer: 1 << 28 })
  const line = run.stdout.trim().split('\n').at(-1)
  if (run.status !== 0 || !line) throw new Error(`${command} could not be run: ${run.stderr}`)
  const result = JSON.parse(line)
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${result.status}:\n${run.stderr}`)
  return result
}

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
