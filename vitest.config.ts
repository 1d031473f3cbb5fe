import { defineConfig } from 'vitest/config'

const folder = (name: string, timeout: number, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: timeout, hookTimeout: timeout, ...extra },
})

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
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          testTimeout: 300_000,
        },
      },
      folder('interop', 300_000),
      folder('mount', 120_000, { fileParallelism: false }),
      folder('crash', 900_000, { fileParallelism: false }),
      folder('e2e', 120_000),
      folder('sanitize', 600_000),
      {
        test: {
          name: 'servers',
          include: ['test/**/*.servers.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
