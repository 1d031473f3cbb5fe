/** How much an event matters; a profile hears of those that matter at least as much as its minimum (spec 05, 5.7.1). */
export const severities = { verbose: -100, success: -10, report: 0, warning: 10, error: 20 } as const

export type SeverityName = keyof typeof severities

export const severityNames = Object.keys(severities) as SeverityName[]

/** Name of a severity, '' for a number that has none. */
export const severityName = (value: number): SeverityName | '' => severityNames.find((name) => severities[name] === value) ?? ''
