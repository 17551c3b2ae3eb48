using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>A process or a thread of a stream: waits for its turn, does the operation, passes the turn on.</summary>
internal static unsafe class Actor
{
    // What a C library's thread is made with, but for its own registers: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID, CHILD_CLEARTID.
    private const int ThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x100000 | 0x200000;
    // CLONE_PARENT: the director is everybody's parent.
    private const int Sibling = 0x8000;
    private const int BorrowFlags = 0x100 | 0x4000 | Signal.Child;
    private const int CloneCall = 56, ExitThreadCall = 60;
    private const int StackBytes = 64 * 1024;
    // A stack for each actor's place and one for borrowers.
    private const int Places = Stage.MostActors + 1;

    private static Stage* s_stage;
    private static nint s_stacks, s_borrowed;
    // The stack that this process's first thread runs on; no stack's number when it is the one that execve made.
    private static int s_value, s_ownStack = -1;

    public static void Prepare(Stage* stage)
    {
        s_stage = stage;
        s_stacks = Linux.Mmap(0, 2 * Places * StackBytes, Protection.ReadWrite, Map.PrivateAnonymous);
    }

    /// <summary>Whatever ends the program, nobody of it stays.</summary>
    public static void DieWithParent() => Syscall.Call(157, 1, Signal.Kill);

    /// <summary>Starts an actor in a process of its own. Its place; 0 when there is none or the kernel refuses (see <paramref name="result"/>).</summary>
    public static int StartProcess(bool byDirector, out nint result)
    {
        result = 0;
        int place = Stage.FreePlace(s_stage);
        if (place == 0)
            return 0;
        s_stage->IsThread[place] = 0;
        s_stage->Process[place] = ++s_stage->Processes;
        s_stage->Turn[place] = 0;
        result = Syscall.Call(CloneCall, byDirector ? Signal.Child : Sibling | Signal.Child);
        if (result == 0)
        {
            DieWithParent();
            s_ownStack = CurrentStack();
            Run(place);
        }
        if (result < 0)
        {
            s_stage->Process[place] = 0;
            return 0;
        }
        s_stage->Id[place] = (int)result;
        return place;
    }

    /// <summary>Starts an actor that is a thread of this one's process.</summary>
    public static int StartThread(int self, out nint result)
    {
        result = 0;
        int place = Stage.FreePlace(s_stage);
        if (place == 0)
            return 0;
        s_stage->IsThread[place] = 1;
        s_stage->Process[place] = s_stage->Process[self];
        s_stage->Turn[place] = 0;
        nint* top = StackTop(place);
        delegate*<void> first = &RunThread;
        top[0] = (nint)first;
        nint id = (nint)(&s_stage->Id[place]);
        result = Syscall.Call(CloneCall, ThreadFlags, (nint)top, id, id);
        if (result >= 0)
            return place;
        s_stage->Process[place] = 0;
        return 0;
    }

    /// <summary>A child in this very address space stores a byte while the actor waits. Its exit status: whether the store faulted.</summary>
    public static nint Borrow(nint address, int value)
    {
        s_borrowed = address;
        s_value = value;
        nint* top = StackTop(Stage.MostActors);
        delegate*<void> first = &RunBorrower;
        top[0] = (nint)first;
        nint child = Syscall.Call(CloneCall, BorrowFlags, (nint)top);
        if (child < 0)
            return child;
        Linux.Wait((int)child, out int status);
        return status;
    }

    /// <summary>Leaves the stage: the director waits for the end before it names the next.</summary>
    public static void Exit(int self)
    {
        s_stage->Leaving = self;
        Stage.PassOn(s_stage, self);
        Syscall.Call(s_stage->IsThread[self] != 0 ? ExitThreadCall : 231, 40 + self);
    }

    /// <summary>There are two for each place: a process that a thread has forked runs on that thread's, and may have another thread at the same place.</summary>
    private static nint* StackTop(int place)
    {
        int stack = place == s_ownStack ? place + Places : place;
        return (nint*)(s_stacks + (stack + 1) * StackBytes - 64);
    }

    private static int CurrentStack()
    {
        byte here;
        return (int)(((nint)(&here) - s_stacks) / StackBytes);
    }

    /// <summary>A new thread knows its place by its stack: others may have been made before it comes to run.</summary>
    private static void RunThread() => Run(CurrentStack() % Places);

    private static void RunBorrower() => Linux.Exit(Faults.Store(s_borrowed, s_value) ? 0 : 1);

    private static void Run(int self)
    {
        while (true)
        {
            Stage.Await(s_stage, self);
            Operation operation = *Stage.OperationAt(s_stage, s_stage->Next);
            ref Writer text = ref s_stage->Text;
            text.Number(s_stage->Next);
            text.Put(" p"u8);
            text.Number(s_stage->Process[self]);
            text.Put(s_stage->IsThread[self] != 0 ? 't' : ' ');
            text.Put(Operation.NameOf(operation.Kind));
            for (int i = 0; i < Operation.NumbersOf(operation.Kind); i++)
                text.Argument(operation[i]);
            s_stage->Next++;
            Execute.Run(s_stage, self, operation);
            text.Put('\n');
            text.Flush();
            if (operation.Kind == Kind.Exit)
                Exit(self);
            Stage.PassOn(s_stage, self);
        }
    }
}
