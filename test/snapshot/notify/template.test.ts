import { describe, expect, test } from 'vitest'
import { builtinTemplates } from '#snapshot/notify/builtin-templates.ts'
import { parseTemplate } from '#snapshot/notify/template/parse.ts'
import { renderTemplate } from '#snapshot/notify/template/render.ts'
import { PrintedValue } from '#snapshot/notify/template/values.ts'

const data = {
  Name: 'a<b',
  Count: 3,
  None: 0,
  Empty: '',
  Nothing: null,
  On: true,
  List: ['x', 'y'],
  Tags: new Map([['k', 'v']]),
  Deep: { Inner: { Value: 7 } },
  When: new PrintedValue('at noon', { Unix: 12 }, 12n),
}

describe('a template renders', () => {
  test.each([
    ['plain text { } }}', 'plain text { } }}'],
    ['{{.Name}} {{ .Count }} {{.On}} {{.When}}', 'a<b 3 true at noon'],
    ['{{.Deep.Inner.Value}} {{(.Deep).Inner.Value}} {{.When.Unix}}', '7 7 12'],
    ['{{if .Count}}some{{else}}none{{end}}', 'some'],
    ['{{if .None}}a{{else if .Empty}}b{{else if .On}}c{{else}}d{{end}}', 'c'],
    ['{{range .List}}<{{.}}>{{end}}', '<x><y>'],
    ['{{range $i, $v := .List}}{{$i}}={{$v}} {{$.Count}};{{end}}', '0=x 3;1=y 3;'],
    ['{{range $v := .List}}{{$v}}{{end}}', 'xy'],
    ['{{range .Empty2}}{{end}}', undefined],
    ['{{range .Tags}}{{.}}{{end}} {{range $k, $v := .Tags}}{{$k}}{{$v}}{{end}} {{.Tags.k}}{{.Tags.other}}', 'v kv v'],
    ['{{with .Deep}}{{.Inner.Value}}{{end}}{{with .Nothing}}x{{else}}y{{end}}', '7y'],
    ['{{$x := 1}}{{if .On}}{{$x = 2}}{{end}}{{$x}}', '2'],
    ['{{$x := 1}}{{if .On}}{{$x := 2}}{{end}}{{$x}}', '1'],
    ['a  {{- 1 -}}  b', 'a1b'],
    ['a {{/* gone */}}b {{- /* trimmed */ -}} c', 'a bc'],
    ['{{"q\\"\\n" | print}}{{`raw\\n`}}', 'q"\nraw\\n'],
    ['{{html .Name}} {{.Name | html}}', 'a&lt;b a&lt;b'],
    ['{{len .List}} {{index .List 1}} {{index .Tags "k"}}', '2 y v'],
    ['{{eq .Count 3}} {{eq .Name "q" "a<b"}} {{ne 1 2}} {{lt 1 2}} {{ge "b" "a"}} {{not .On}}', 'true true true true true false'],
    ['{{and .On .Count}} {{or .None .Empty "z"}} {{if and .On (gt .Count 2)}}yes{{end}}', '3 z yes'],
    ['{{printf "%s|%5d|%-4s|%.2f|%05d|%q|%v%%" .Name 3 "ab" 1.005 7 "x" .List}}', 'a<b|    3|ab  |1.00|00007|"x"|[x y]%'],
    ['{{printf "%s"}} {{printf "a" 1}}', '%!s(MISSING) a%!(EXTRA 1)'],
    ['{{double 4 | printf "%d"}}', '8'],
    ['{{"\'"}}{{"}}"}}', "'}}"],
  ])('%j', (source, expected) => {
    const double = (v: unknown) => Number(v) * 2
    if (expected === undefined) expect(() => renderTemplate(source, data, { double })).toThrow('there is no .Empty2 here')
    else expect(renderTemplate(source, data, { double })).toBe(expected)
  })
})

describe('a template is refused', () => {
  test.each([
    ['a\n{{if .On}}', 'line 2: {{if}} of the template has no {{end}}'],
    ['{{end}}', 'line 1: {{end}} of the template has nothing to belong to'],
    ['{{.Name', 'line 1: an action of the template does not end with }}'],
    ['{{.Nothing.Field}}', '.Field was asked of something that is not there'],
    ['{{.constructor}}', 'there is no .constructor here'],
    ['{{.Name.length}}', 'there is no .length here'],
    ['{{nofunction 1}}', 'line 1: there is no function nofunction'],
    ['{{constructor}}', 'there is no function constructor'],
    ['{{$y}}', 'the variable $y of the template is not declared'],
    ['{{$y = 1}}', 'the variable $y of the template is not declared'],
    ['{{}}', 'a value is missing'],
    ['{{1 2}}', 'arguments were given to something that is no function'],
    ['{{(1}}', ') is missing'],
    ['{{index .List 5}}', 'there is no item 5 in a list of 2'],
    ['{{template "x"}}', '{{template}} is not known here'],
    ['{{/* open', 'does not end with */}}'],
    ['{{range .Count | printf "%d"}}{{end}}', 'range needs a list'],
    ['{{lt "a" 1}}', 'only numbers with numbers'],
    ['{{#}}', 'unexpected "#"'],
  ])('%j', (source, message) => {
    expect(() => renderTemplate(source, data)).toThrow(message)
  })

  test.each([
    ['if', '{{if 1}}'.repeat(200)],
    ['parentheses', `{{${'('.repeat(300)}}}`],
  ])('that nests %s too deep', (_, source) => {
    expect(() => renderTemplate(source, data)).toThrow('nested more than 100 levels deep')
  })

  test('that would render without end', () => {
    const source = `{{range 100000}}{{range 100000}}${'0123456789'.repeat(1000)}{{end}}{{end}}`
    expect(() => renderTemplate(source, data)).toThrow('more than 16 MiB')
  })
})

test('the built-in templates can all be read', () => {
  for (const text of Object.values(builtinTemplates)) expect(parseTemplate(text).length).toBeGreaterThan(3)
})
