import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from './measure.mjs'

const resultsFolder = join(dirname(fileURLToPath(import.meta.url)), 'results')
const keys = ['wall', 'cpu', 'rss']

/** Results of several tools at several kinds of work, each measured some times. */
export class Report {
  /** work -> tool -> results, in the order of the first measurement. */
  #rows = new Map()

  add(work, tool, result) {
    const row = this.#rows.get(work) ?? new Map()
    this.#rows.set(work, row)
    row.set(tool, [...(row.get(tool) ?? []), result])
  }

  /** Medians: { work, tool, wall and cpu in seconds, rss in bytes, ratios to Kura (above 1: Kura is better) }. */
  rows() {
    return [...this.#rows].flatMap(([work, row]) => {
      const medians = (results) => Object.fromEntries(keys.map((key) => [key, median(results.map((r) => r[key]))]))
      const ours = row.has('kura') ? medians(row.get('kura')) : undefined
      return [...row].map(([tool, results]) => {
        const own = medians(results)
        const ratios = ours && tool !== 'kura' ? Object.fromEntries(keys.map((key) => [key, own[key] / ours[key]])) : undefined
        return { work, tool, ...own, ...(ratios ? { ratios } : {}) }
      })
    })
  }

  print() {
    let last
    for (const { work, tool, wall, cpu, rss, ratios } of this.rows()) {
      if (work !== last) console.log(work)
      last = work
      const times = (key) => (ratios ? ` (${ratios[key].toFixed(2)}×)` : '')
      const memory = `memory ${Math.round(rss / 1e6)} MB${times('rss')}`
      console.log(`  ${tool.padEnd(7)} wall ${wall.toFixed(2)} s${times('wall')}  cpu ${cpu.toFixed(2)} s${times('cpu')}  ${memory}`)
    }
  }

  /** Writes the figures to bench/results/NAME.json; returns the file. */
  save(name, about) {
    return saveResults(name, { cores: cpus().length, ...about, report: this.rows() })
  }
}

/** Writes anything to bench/results/NAME.json; returns the file. */
export function saveResults(name, json) {
  mkdirSync(resultsFolder, { recursive: true })
  const path = join(resultsFolder, `${name}.json`)
  writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`)
  return path
}

export function savePicture(name, svg) {
  mkdirSync(resultsFolder, { recursive: true })
  const path = join(resultsFolder, `${name}.svg`)
  writeFileSync(path, svg)
  return path
}
