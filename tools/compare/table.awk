# Reads each system's output of the suites (tools/compare-linux.sh), counts the cases that are the same on all, and prints a table with
# the differing cases below it. Arguments: name=SYSTEM FILE ... Ends with 1 when anything differs.
#
# The same means: the same result and the same lines before it, and "ok". A case that fails everywhere expects something wrong. A case
# that one system skips (its comment says why) is compared on the others.

FNR == 1 { systems++; names[systems] = name; suite = ""; note = "" }
/^suite / { suite = $2; if (!(suite in cases)) { order[++suites] = suite; cases[suite] = 0 } note = ""; count = 0; next }
/^status / { add("(exit status)", note $0); note = ""; suite = ""; next }
/^KTAP version/ || /^ *KTAP version/ || /^ *[0-9]+\.\.[0-9]+$/ { next }
/^ *(not )?ok [0-9]+ / {
    key = $0
    sub(/^ *(not )?ok /, "", key)
    sub(/ # SKIP.*/, "", key)
    add(key, note $0)
    note = ""
    next
}
{ note = note $0 "\n" }

# add KEY TEXT: what this system printed for a case of the suite. The keys keep the order in which they first came.
function add(key, text) {
    while ((suite, key, systems) in texts)
        key = key "+"
    if (!((suite, key) in known)) {
        known[suite, key] = 1
        keys[suite, ++cases[suite]] = key
    }
    texts[suite, key, systems] = text
}

END {
    printf "%-14s %6s %6s %10s %8s\n", "suite", "cases", "same", "different", "skipped"
    for (s = 1; s <= suites; s++)
        row(order[s])
    printf "%-14s %6d %6d %10d %8d\n", "all", all[1], all[2], all[3], all[4]
    printf "\nsystems:"
    for (i = 1; i <= systems; i++)
        printf " %s%s", names[i], i < systems ? "," : "\n"
    if (details != "")
        printf "\n%s", details
    exit all[3] > 0 || all[1] == 0
}

function row(suite,    i, j, key, text, first, same, different, skipped, number, wrong, had) {
    same = different = skipped = number = 0
    for (i = 1; i <= cases[suite]; i++) {
        key = keys[suite, i]
        first = ""; wrong = had = 0
        for (j = 1; j <= systems; j++) {
            text = (suite, key, j) in texts ? texts[suite, key, j] : "(not printed)"
            if (text ~ / # SKIP/) { had = 1; continue }
            if (first == "")
                first = text
            else if (text != first)
                wrong = 1
            if (key != "(exit status)" && text !~ /^ *ok /)
                wrong = 1
        }
        if (key != "(exit status)") {
            number++
            skipped += had
            same += !wrong
        }
        if (wrong) {
            different++
            details = details suite ": " key "\n"
            for (j = 1; j <= systems; j++) {
                text = (suite, key, j) in texts ? texts[suite, key, j] : "(not printed)"
                gsub(/\n/, "\n        ", text)
                details = details "    " names[j] "\n        " text "\n"
            }
        }
    }
    printf "%-14s %6d %6d %10d %8d\n", suite, number, same, different, skipped
    all[1] += number; all[2] += same; all[3] += different; all[4] += skipped
}
