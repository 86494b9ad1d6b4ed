# Reads the plain forms of #cloud-config, no full YAML: prints "hostname<TAB>NAME", "key<TAB>SSH KEY", "run<TAB>SHELL LINE",
# and "other<TAB>NAME" for each top-level name it does not know. A list item may be bare, quoted, [a, b] or a | block.
/^[ \t]*#/ && !block { next }
/^[^ \t#-]/ {
  block = 0
  name = $0; sub(/[ \t]*:.*/, "", name)
  text = $0; sub(/^[^:]*:[ \t]*/, "", text)
  if (name == "hostname") { if (text != "") print "hostname\t" unquoted(text) }
  else if (name != "ssh_authorized_keys" && name != "runcmd") print "other\t" name
  else if (text != "" && text != "[]") print "other\t" name " on one line"
  next
}
{ match($0, /^[ \t]*/); depth = RLENGTH }
block && (depth > item || NF == 0) { if (!inner) inner = depth; emit(substr($0, inner + 1)); next }
/^[ \t]*-[ \t]/ {
  block = 0; item = depth
  text = $0; sub(/^[ \t]*-[ \t]+/, "", text)
  if (text ~ /^[|>][-+]?[ \t]*$/) { block = 1; inner = 0 }
  else if (text ~ /^-[ \t]/) print "other\t" name " with a nested list"
  else emit(unquoted(text))
}

function emit(text) {
  if (name == "ssh_authorized_keys") print "key\t" text
  else if (name == "runcmd") print "run\t" text
}

# [a, "b c"] is one command and its words: the quotes mean to the shell what they mean here.
function unquoted(text) {
  sub(/[ \t]+$/, "", text)
  if (text ~ /^\[.*\]$/) { text = substr(text, 2, length(text) - 2); gsub(/,[ \t]*/, " ", text); return text }
  if (text ~ /^".*"$/) { text = substr(text, 2, length(text) - 2); gsub(/\\"/, "\"", text); gsub(/\\\\/, "\\", text); return text }
  if (text ~ /^'.*'$/) { text = substr(text, 2, length(text) - 2); gsub(/''/, "'", text); return text }
  sub(/[ \t]+#.*$/, "", text)
  return text
}
