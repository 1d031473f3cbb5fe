import type { Flag } from './flag.ts'

/** What a flag does, by its name: the same name means the same everywhere. */
const texts: Readonly<Record<string, string>> = {
  'config-file': 'Configuration file of the connection',
  help: 'Show help',
  'help-full': 'Show help with all commands and flags',
  json: 'Print JSON',
  'log-level': 'Least level of messages on the console',
  password: 'Repository password',
  'persist-credentials': 'Save and use the saved password',
  progress: 'Show progress',
  version: 'Show the version',
}

export const describeFlag = (flag: Flag): string => texts[flag.name] ?? ''
