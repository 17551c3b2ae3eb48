#!/bin/bash
# Two hundred lines of shell: functions, arrays, arithmetic, here-documents, pipes, subshells, traps; then perl and sqlite3.
set -u
declare -A squares=()
declare -a list=()
add() { local -i a=$1 b=$2; echo $((a + b)); }
fact() { if (( $1 <= 1 )); then echo 1; else echo $(( $1 * $(fact $(( $1 - 1 ))) )); fi; }
trap 'echo leaving' EXIT
squares[1]=$((1 * 1))
list+=("item1")
[[ ${squares[1]} -eq $(add 0 1) ]] || echo "wrong 1"
printf "%s %d\n" "${list[0]}" "${squares[1]}" | tr a-z A-Z
squares[2]=$((2 * 2))
list+=("item2")
[[ ${squares[2]} -eq $(add 2 2) ]] || echo "wrong 2"
printf "%s %d\n" "${list[1]}" "${squares[2]}" | tr a-z A-Z
squares[3]=$((3 * 3))
list+=("item3")
[[ ${squares[3]} -eq $(add 6 3) ]] || echo "wrong 3"
printf "%s %d\n" "${list[2]}" "${squares[3]}" | tr a-z A-Z
squares[4]=$((4 * 4))
list+=("item4")
[[ ${squares[4]} -eq $(add 12 4) ]] || echo "wrong 4"
printf "%s %d\n" "${list[3]}" "${squares[4]}" | tr a-z A-Z
squares[5]=$((5 * 5))
list+=("item5")
[[ ${squares[5]} -eq $(add 20 5) ]] || echo "wrong 5"
printf "%s %d\n" "${list[4]}" "${squares[5]}" | tr a-z A-Z
squares[6]=$((6 * 6))
list+=("item6")
[[ ${squares[6]} -eq $(add 30 6) ]] || echo "wrong 6"
printf "%s %d\n" "${list[5]}" "${squares[6]}" | tr a-z A-Z
squares[7]=$((7 * 7))
list+=("item7")
[[ ${squares[7]} -eq $(add 42 7) ]] || echo "wrong 7"
printf "%s %d\n" "${list[6]}" "${squares[7]}" | tr a-z A-Z
squares[8]=$((8 * 8))
list+=("item8")
[[ ${squares[8]} -eq $(add 56 8) ]] || echo "wrong 8"
printf "%s %d\n" "${list[7]}" "${squares[8]}" | tr a-z A-Z
squares[9]=$((9 * 9))
list+=("item9")
[[ ${squares[9]} -eq $(add 72 9) ]] || echo "wrong 9"
printf "%s %d\n" "${list[8]}" "${squares[9]}" | tr a-z A-Z
squares[10]=$((10 * 10))
list+=("item10")
[[ ${squares[10]} -eq $(add 90 10) ]] || echo "wrong 10"
printf "%s %d\n" "${list[9]}" "${squares[10]}" | tr a-z A-Z
squares[11]=$((11 * 11))
list+=("item11")
[[ ${squares[11]} -eq $(add 110 11) ]] || echo "wrong 11"
printf "%s %d\n" "${list[10]}" "${squares[11]}" | tr a-z A-Z
squares[12]=$((12 * 12))
list+=("item12")
[[ ${squares[12]} -eq $(add 132 12) ]] || echo "wrong 12"
printf "%s %d\n" "${list[11]}" "${squares[12]}" | tr a-z A-Z
squares[13]=$((13 * 13))
list+=("item13")
[[ ${squares[13]} -eq $(add 156 13) ]] || echo "wrong 13"
printf "%s %d\n" "${list[12]}" "${squares[13]}" | tr a-z A-Z
squares[14]=$((14 * 14))
list+=("item14")
[[ ${squares[14]} -eq $(add 182 14) ]] || echo "wrong 14"
printf "%s %d\n" "${list[13]}" "${squares[14]}" | tr a-z A-Z
squares[15]=$((15 * 15))
list+=("item15")
[[ ${squares[15]} -eq $(add 210 15) ]] || echo "wrong 15"
printf "%s %d\n" "${list[14]}" "${squares[15]}" | tr a-z A-Z
squares[16]=$((16 * 16))
list+=("item16")
[[ ${squares[16]} -eq $(add 240 16) ]] || echo "wrong 16"
printf "%s %d\n" "${list[15]}" "${squares[16]}" | tr a-z A-Z
squares[17]=$((17 * 17))
list+=("item17")
[[ ${squares[17]} -eq $(add 272 17) ]] || echo "wrong 17"
printf "%s %d\n" "${list[16]}" "${squares[17]}" | tr a-z A-Z
squares[18]=$((18 * 18))
list+=("item18")
[[ ${squares[18]} -eq $(add 306 18) ]] || echo "wrong 18"
printf "%s %d\n" "${list[17]}" "${squares[18]}" | tr a-z A-Z
squares[19]=$((19 * 19))
list+=("item19")
[[ ${squares[19]} -eq $(add 342 19) ]] || echo "wrong 19"
printf "%s %d\n" "${list[18]}" "${squares[19]}" | tr a-z A-Z
squares[20]=$((20 * 20))
list+=("item20")
[[ ${squares[20]} -eq $(add 380 20) ]] || echo "wrong 20"
printf "%s %d\n" "${list[19]}" "${squares[20]}" | tr a-z A-Z
squares[21]=$((21 * 21))
list+=("item21")
[[ ${squares[21]} -eq $(add 420 21) ]] || echo "wrong 21"
printf "%s %d\n" "${list[20]}" "${squares[21]}" | tr a-z A-Z
squares[22]=$((22 * 22))
list+=("item22")
[[ ${squares[22]} -eq $(add 462 22) ]] || echo "wrong 22"
printf "%s %d\n" "${list[21]}" "${squares[22]}" | tr a-z A-Z
squares[23]=$((23 * 23))
list+=("item23")
[[ ${squares[23]} -eq $(add 506 23) ]] || echo "wrong 23"
printf "%s %d\n" "${list[22]}" "${squares[23]}" | tr a-z A-Z
squares[24]=$((24 * 24))
list+=("item24")
[[ ${squares[24]} -eq $(add 552 24) ]] || echo "wrong 24"
printf "%s %d\n" "${list[23]}" "${squares[24]}" | tr a-z A-Z
squares[25]=$((25 * 25))
list+=("item25")
[[ ${squares[25]} -eq $(add 600 25) ]] || echo "wrong 25"
printf "%s %d\n" "${list[24]}" "${squares[25]}" | tr a-z A-Z
squares[26]=$((26 * 26))
list+=("item26")
[[ ${squares[26]} -eq $(add 650 26) ]] || echo "wrong 26"
printf "%s %d\n" "${list[25]}" "${squares[26]}" | tr a-z A-Z
squares[27]=$((27 * 27))
list+=("item27")
[[ ${squares[27]} -eq $(add 702 27) ]] || echo "wrong 27"
printf "%s %d\n" "${list[26]}" "${squares[27]}" | tr a-z A-Z
squares[28]=$((28 * 28))
list+=("item28")
[[ ${squares[28]} -eq $(add 756 28) ]] || echo "wrong 28"
printf "%s %d\n" "${list[27]}" "${squares[28]}" | tr a-z A-Z
squares[29]=$((29 * 29))
list+=("item29")
[[ ${squares[29]} -eq $(add 812 29) ]] || echo "wrong 29"
printf "%s %d\n" "${list[28]}" "${squares[29]}" | tr a-z A-Z
squares[30]=$((30 * 30))
list+=("item30")
[[ ${squares[30]} -eq $(add 870 30) ]] || echo "wrong 30"
printf "%s %d\n" "${list[29]}" "${squares[30]}" | tr a-z A-Z
squares[31]=$((31 * 31))
list+=("item31")
[[ ${squares[31]} -eq $(add 930 31) ]] || echo "wrong 31"
printf "%s %d\n" "${list[30]}" "${squares[31]}" | tr a-z A-Z
squares[32]=$((32 * 32))
list+=("item32")
[[ ${squares[32]} -eq $(add 992 32) ]] || echo "wrong 32"
printf "%s %d\n" "${list[31]}" "${squares[32]}" | tr a-z A-Z
squares[33]=$((33 * 33))
list+=("item33")
[[ ${squares[33]} -eq $(add 1056 33) ]] || echo "wrong 33"
printf "%s %d\n" "${list[32]}" "${squares[33]}" | tr a-z A-Z
squares[34]=$((34 * 34))
list+=("item34")
[[ ${squares[34]} -eq $(add 1122 34) ]] || echo "wrong 34"
printf "%s %d\n" "${list[33]}" "${squares[34]}" | tr a-z A-Z
squares[35]=$((35 * 35))
list+=("item35")
[[ ${squares[35]} -eq $(add 1190 35) ]] || echo "wrong 35"
printf "%s %d\n" "${list[34]}" "${squares[35]}" | tr a-z A-Z
squares[36]=$((36 * 36))
list+=("item36")
[[ ${squares[36]} -eq $(add 1260 36) ]] || echo "wrong 36"
printf "%s %d\n" "${list[35]}" "${squares[36]}" | tr a-z A-Z
squares[37]=$((37 * 37))
list+=("item37")
[[ ${squares[37]} -eq $(add 1332 37) ]] || echo "wrong 37"
printf "%s %d\n" "${list[36]}" "${squares[37]}" | tr a-z A-Z
squares[38]=$((38 * 38))
list+=("item38")
[[ ${squares[38]} -eq $(add 1406 38) ]] || echo "wrong 38"
printf "%s %d\n" "${list[37]}" "${squares[38]}" | tr a-z A-Z
squares[39]=$((39 * 39))
list+=("item39")
[[ ${squares[39]} -eq $(add 1482 39) ]] || echo "wrong 39"
printf "%s %d\n" "${list[38]}" "${squares[39]}" | tr a-z A-Z
squares[40]=$((40 * 40))
list+=("item40")
[[ ${squares[40]} -eq $(add 1560 40) ]] || echo "wrong 40"
printf "%s %d\n" "${list[39]}" "${squares[40]}" | tr a-z A-Z
squares[41]=$((41 * 41))
list+=("item41")
[[ ${squares[41]} -eq $(add 1640 41) ]] || echo "wrong 41"
printf "%s %d\n" "${list[40]}" "${squares[41]}" | tr a-z A-Z
squares[42]=$((42 * 42))
list+=("item42")
[[ ${squares[42]} -eq $(add 1722 42) ]] || echo "wrong 42"
printf "%s %d\n" "${list[41]}" "${squares[42]}" | tr a-z A-Z
squares[43]=$((43 * 43))
list+=("item43")
[[ ${squares[43]} -eq $(add 1806 43) ]] || echo "wrong 43"
printf "%s %d\n" "${list[42]}" "${squares[43]}" | tr a-z A-Z
squares[44]=$((44 * 44))
list+=("item44")
[[ ${squares[44]} -eq $(add 1892 44) ]] || echo "wrong 44"
printf "%s %d\n" "${list[43]}" "${squares[44]}" | tr a-z A-Z
squares[45]=$((45 * 45))
list+=("item45")
[[ ${squares[45]} -eq $(add 1980 45) ]] || echo "wrong 45"
printf "%s %d\n" "${list[44]}" "${squares[45]}" | tr a-z A-Z
squares[46]=$((46 * 46))
list+=("item46")
[[ ${squares[46]} -eq $(add 2070 46) ]] || echo "wrong 46"
printf "%s %d\n" "${list[45]}" "${squares[46]}" | tr a-z A-Z
echo "fact 10: $(fact 10)"
echo "${list[@]: -3}" "${#squares[@]}"
sum=0; for ((i = 0; i < 1000; i++)); do (( sum += i )); done; echo "sum $sum"
cat <<END | sort -r
b ${list[0]}
a
END
( cd / && echo "in $PWD" )
for word in ${list[@]/item/x}; do [[ $word == x1? ]] && echo -n "$word "; done; echo
coproc cat; echo through >&"${COPROC[1]}"; read -r back <&"${COPROC[0]}"; echo "$back"; exec {COPROC[1]}>&-; wait
mapfile -t rows < <(printf "%s\n" one two three); echo "${rows[2]} ${#rows[@]}"
[[ "2026-11-21" =~ ^([0-9]+)-([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
sleep 0 & wait $!; echo "status $?"
perl -e 'my %h; $h{$_ % 7} += $_ for 1 .. 10000; print join(",", map { "$_=$h{$_}" } sort keys %h), "\n"; my $p = fork; exit 5 unless $p; waitpid $p, 0; print $? >> 8, "\n"'
sqlite3 /tmp/nanovm-$$.db 'create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select i, hex(i * i) from n; create index x on t(b); select count(*), sum(length(b)), max(b) from t; pragma integrity_check;'; rm -f /tmp/nanovm-$$.db
