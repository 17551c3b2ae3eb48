namespace NanoVm.Files.Terminal;

/// <summary>A terminal. Linux: <c>tty_struct</c>.</summary>
internal abstract class Tty
{
}
