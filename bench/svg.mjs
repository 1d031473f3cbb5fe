// A picture of ratios for the documentation: one group of bars for each kind of work, a bar for each peer, a line where both are equal.

const colors = ['#3d6fb4', '#c8643c', '#5a9a5a', '#8a62a8']
const barHeight = 14
const groupGap = 12
const labelWidth = 230
const plotWidth = 470
const longest = 6

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** `rows` as Report.rows gives them; `key` is wall, cpu or rss. Ratios beyond 6 are cut, and their number says so. */
export function ratioPicture(title, rows, key) {
  const works = [...new Set(rows.map((row) => row.work))]
  const peers = [...new Set(rows.filter((row) => row.ratios).map((row) => row.tool))]
  const x = (ratio) => labelWidth + (Math.min(ratio, longest) / longest) * plotWidth
  const parts = []
  let y = 64
  for (const work of works) {
    const bars = rows.filter((row) => row.work === work && row.ratios)
    if (bars.length === 0) continue
    parts.push(`<text x="${labelWidth - 8}" y="${y + (bars.length * barHeight) / 2 + 4}" text-anchor="end">${escaped(work)}</text>`)
    for (const { tool, ratios } of bars) {
      const ratio = ratios[key]
      const color = colors[peers.indexOf(tool) % colors.length]
      parts.push(
        `<rect x="${labelWidth}" y="${y}" width="${(x(ratio) - labelWidth).toFixed(1)}" height="${barHeight - 2}" fill="${color}"/>`,
      )
      parts.push(
        `<text x="${(x(ratio) + 5).toFixed(1)}" y="${y + barHeight - 4}" class="small">${ratio.toFixed(2)}× ${escaped(tool)}</text>`,
      )
      y += barHeight
    }
    y += groupGap
  }
  const even = x(1).toFixed(1)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${labelWidth + plotWidth + 130}" height="${y + 12}" font-family="sans-serif" font-size="13">
<title>${escaped(title)}</title>
<style>.small{font-size:10px}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="26" font-size="16">${escaped(title)}</text>
<text x="16" y="46" class="small">the peer's figure divided by Kura's: to the right of the line Kura is better</text>
${parts.join('\n')}
<line x1="${even}" x2="${even}" y1="56" y2="${y - 4}" stroke="#202020" stroke-dasharray="4 3"/>
</svg>
`
}
