namespace System;

/// <summary>
/// The base of exceptions, present because the language asks for it. Nothing throws on purpose: a <c>throw</c> that the C#
/// compiler generates (a switch expression without a matching arm) ends in a panic.
/// </summary>
public class Exception
{
    private readonly string? _message;

    /// <summary>An exception without a message.</summary>
    public Exception()
    {
    }

    /// <summary>An exception with a message.</summary>
    public Exception(string? message) => _message = message;

    /// <summary>What went wrong.</summary>
    public string Message => _message ?? "exception";
}

/// <summary>Thrown by generated code for a state that cannot be.</summary>
public class InvalidOperationException : Exception
{
}

/// <summary>Named by generated code.</summary>
public class NotSupportedException : Exception
{
}
