using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>GDB stops in C# source, by C# names, with arguments that can be read.</summary>
public sealed class GdbTests
{
    [Fact]
    public void A_breakpoint_on_HandleMmFault_stops_in_its_source()
    {
        Run run = Batch("break MmStruct.HandleMmFault", "continue", "bt 3", "kill");
        Assert.True(run.Status == 0, run.ToString());
        Assert.Matches(@"#0 .*HandleMmFault \(.*address=0x[0-9a-f]+.*\.cs:\d+", run.Text);
        Assert.Matches(@"#1 .*\.cs:\d+", run.Text);
    }

    [Fact]
    public void A_bare_method_name_and_a_condition_work()
    {
        Run run = Batch("break HandleMmFault if 1 == 1", "continue", "info locals", "finish", "kill");
        Assert.True(run.Status == 0, run.ToString());
        Assert.Contains("Breakpoint 1, ", run.Text);
    }

    [Fact]
    public void A_name_that_is_none_is_refused()
    {
        Run run = Batch("break No.Such");
        Assert.NotEqual(0, run.Status);
        Assert.Contains("There is no method No.Such", run.Errors);
    }

    [Fact]
    public void A_fault_fills_the_empty_entry_that_walk_has_shown_in_an_area_that_maps_lists()
    {
        Run run = Batch("break MmStruct.DoAnonymousPage if (fault.Flags & 5) == 5", "continue", "next", "print area.Flags", "maps this",
            "set $at = fault.Address", "walk this $at", "finish", "walk this $at", "kill");
        Assert.True(run.Status == 0, run.ToString());
        Assert.Matches(@"= 0x[0-9a-f]+ \(Read \| Write \| .*MayWrite", run.Text);
        Assert.Matches(@"(?m)^00401000-[0-9a-f]+ r-xp  Read Execute ", run.Text);
        Assert.Matches(@"pte\[\d+\] = 0{16}  empty\n[^$]*Value returned is \$\d+ = Handled\n[^$]*pte\[\d+\] = [0-9a-f]{16}  frame 0x[0-9a-f]+: Present Writable User", run.Text);
    }

    private static Run Batch(params string[] commands)
    {
        using var scratch = new Scratch();
        return Guest.Script("tools/gdb.sh", "--batch", scratch.Write("commands", string.Join('\n', commands) + "\n"));
    }
}
