import { defineConfig } from 'vitest/config'

// Time runs out for what hangs, not for what is slow: a busy machine may take ten times what an idle one does.
const within = (ms: number) => ({ testTimeout: ms, hookTimeout: ms })
const folder = (name: string, timeoutMs: number, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...within(timeoutMs), ...extra },
})
const setupFiles = ['test/support/properties.ts']

/** Fast tests mirror src/ and run on their own; everything that needs mounts, processes or minutes is a project of its own. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{base,repo,snapshot,fuse,mount-unit,cli,native}/**/*.test.ts', 'test/*.test.ts'],
          exclude: ['**/*.slow.test.ts'],
          setupFiles,
          ...within(180_000),
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          setupFiles,
          ...within(900_000),
        },
      },
      folder('interop', 600_000),
      folder('mount', 600_000, { fileParallelism: false }),
      folder('crash', 1_800_000, { fileParallelism: false }),
      folder('e2e', 300_000),
      folder('sanitize', 1_200_000),
      {
        test: {
          name: 'servers',
          include: ['test/**/*.servers.test.ts'],
          fileParallelism: false,
          ...within(300_000),
        },
      },
    ],
  },
})
