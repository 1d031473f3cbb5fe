import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineCommand } from '#cli/flag.ts'
import { templateName } from './name.ts'

export const show = defineCommand({
  args: [templateName],
  flags: [
    { name: 'format', type: 'enum', values: ['html', 'md'], describe: 'Accepted, and of no effect' },
    { name: 'original', type: 'bool', describe: 'The built-in template, also where there is another' },
    { name: 'html', type: 'bool', describe: 'Open it in the browser' },
  ],
  async run(c, values) {
    const { builtinTemplate, customTemplate } = await import('#snapshot/notify/templates.ts')
    const repository = await c.open()
    const custom = values.original ? undefined : await customTemplate(repository, values.template)
    const text = `${(custom ?? builtinTemplate(values.template)).replace(/\n+$/, '')}\n`
    if (!values.html) return c.io.write(text)
    const file = join(tmpdir(), 'kopia-template-preview.html')
    writeFileSync(file, text, { mode: 0o600 })
    openInBrowser(file)
    c.log.info(`Wrote the template to ${file}.`)
  },
})

function openInBrowser(file: string): void {
  const [program, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform as string] ?? ['xdg-open']
  const child = spawn(program as string, [...args, file], { detached: true, stdio: 'ignore' })
  // Without a browser, the file is there all the same.
  child.on('error', () => undefined)
  child.unref()
}
